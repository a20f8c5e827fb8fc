import Glibc
import Synchronization
import Threading

/// A shell command that prints a password. Cloud services take tokens as passwords that are valid for minutes, so a new
/// session needs a new one.
public struct PasswordCommand: Sendable, Equatable {
    /// The command, for `sh -c`.
    public let text: String

    /// Ends the name of an environment variable that has such a command: `WALRELAY_SOURCE_PASSWORD_COMMAND`.
    public static let variableSuffix = "_PASSWORD_COMMAND"

    /// In seconds: how long an answer serves for further sessions. Tokens are valid for fifteen minutes, and a copy opens
    /// many sessions at once.
    private static let servesSeconds = 60
    private static let patienceSeconds = 30
    private static let longestAnswer = 64 << 10

    private struct Answer {
        var password: String
        var until: Deadline
    }

    private static let answers = Mutex<[String: Answer]>([:])

    /// A command.
    public init(_ text: String) {
        self.text = text
    }

    /// The password: the first line that the command prints, or has printed less than a minute ago.
    ///
    /// - Throws: ``PostgresError`` with `cannotConnect` when the command fails, prints nothing, or does not end within 30 s.
    func password(for target: String) throws(PostgresError) -> String {
        if let known = Self.answers.withLock({ $0[text] }), !known.until.hasPassed { return known.password }
        let password = try run(target)
        Self.answers.withLock {
            $0[text] = Answer(password: password, until: .after(milliseconds: Self.servesSeconds * 1_000))
        }
        return password
    }

    /// Has the next session run the command again, because the server did not take the last answer.
    func forget() {
        _ = Self.answers.withLock { $0.removeValue(forKey: text) }
    }

    private func run(_ target: String) throws(PostgresError) -> String {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(target, "cannot be started: \(Self.words(errno))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var command = ChildProcess.shell(text)
        command.output = ends[1]
        let pid: pid_t
        do throws(ChildError) {
            defer { close(ends[1]) }
            pid = try command.start()
        } catch {
            throw failure(target, "cannot be started: \(error)")
        }
        let (output, isComplete) = read(ends[0])
        if !isComplete { kill(-pid, SIGKILL) }
        let ending = ChildProcess.wait(for: pid)
        guard isComplete else { throw failure(target, "has not ended after \(Self.patienceSeconds) s") }
        guard ending.code == 0 else {
            throw failure(target, "ended with \(ending.words); what it says about it is above")
        }
        guard let line = output.split(separator: 0x0A, maxSplits: 1, omittingEmptySubsequences: false).first,
            !line.isEmpty,
            !line.contains(0)
        else { throw failure(target, "printed no password") }
        return String(decoding: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self)
    }

    /// What the command prints, and whether it has closed its output in time.
    private func read(_ descriptor: Int32) -> (bytes: [UInt8], isComplete: Bool) {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        let patience = Deadline.after(milliseconds: Self.patienceSeconds * 1_000)
        while !patience.hasPassed, !OpenSessions.all.wereInterrupted, bytes.count < Self.longestAnswer {
            guard Polling.wait(descriptor, until: .after(milliseconds: 100)).first else { continue }
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return (bytes, true) }
            bytes += piece[..<count]
        }
        return (bytes, false)
    }

    private static func words(_ code: Int32) -> String { String(cString: strerror(code)) }

    private func failure(_ target: String, _ what: String) -> PostgresError {
        PostgresError(.cannotConnect, "cannot connect to \(target): its password command \(what)")
    }
}
