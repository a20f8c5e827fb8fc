import CommandSupport
import Glibc
import Synchronization
import Threading

/// Takes over standard error while it is a terminal: what this program and its children write there scrolls by above some
/// lines that are kept up to date.
final class TerminalView: Sendable {
    private let terminal: Int32
    private let log: Int32
    private let stopping = StopRequest()
    private let worker = Mutex<Worker?>(nil)
    private static let intervalMilliseconds = 500
    private static let pieceBytes = 16 << 10

    /// Nil when standard error is no terminal, or cannot be taken over.
    init?(_ lines: @escaping @Sendable () -> [String]) {
        guard isatty(2) == 1 else { return nil }
        var ends: [Int32] = [-1, -1]
        let copy = fcntl(2, F_DUPFD_CLOEXEC, 3)
        guard copy >= 0 else { return nil }
        guard pipe(&ends) == 0 else {
            close(copy)
            return nil
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (terminal, log) = (copy, ends[0])
        // The copy at number 2 is not closed on exec: the children inherit it.
        dup2(ends[1], 2)
        close(ends[1])
        let started = Worker.start(name: "view") { [self] in run(lines) }
        worker.withLock { $0 = started }
        guard started != nil else {
            dup2(terminal, 2)
            return nil
        }
    }

    /// Gives standard error back, with all that was written, and without the lines.
    func end() {
        dup2(terminal, 2)
        stopping.request()
        worker.withLock { $0 }?.join()
        close(terminal)
        close(log)
    }

    private func run(_ lines: () -> [String]) {
        var painter = Painter(terminal)
        var rest: [UInt8] = []
        while true {
            let isLast = stopping.isRequested
            let written = read(&rest)
            if isLast {
                // What is left of a line is one.
                let last = rest.isEmpty ? "" : String(decoding: rest, as: UTF8.self) + "\n"
                return painter.isForeground ? painter.paint([], log: written + last) : painter.leave(written + last)
            }
            if painter.isForeground { painter.paint(lines(), log: written) } else { painter.leave(written) }
            let due = Deadline.after(milliseconds: Self.intervalMilliseconds)
            _ = Polling.wait(log, stopping.descriptor, until: due)
        }
    }

    /// What was written up to now, in whole lines.
    private func read(_ rest: inout [UInt8]) -> String {
        var piece = [UInt8](repeating: 0, count: Self.pieceBytes)
        while Polling.wait(log, until: .now).first {
            let count = Glibc.read(log, &piece, piece.count)
            guard count > 0 else { break }
            rest += piece[..<count]
            if rest.count > 16 * Self.pieceBytes { break }
        }
        guard let end = rest.lastIndex(of: 0x0A) else { return "" }
        let text = String(decoding: rest[...end], as: UTF8.self)
        rest.removeSubrange(...end)
        return text
    }
}
