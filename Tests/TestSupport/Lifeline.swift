import Glibc

/// Ties the life of a process to the life of this one.
///
/// Both ends of a socket pair: the other process waits for the end of file on the end it was given. The near end is in
/// this process only, since no child inherits it, so the end of file comes when this process ends, however it does.
final class Lifeline: Sendable {
    private let near: Int32
    /// The process that got the far end as its standard input.
    let process: ChildProcess

    /// Starts `request` in a session of its own with the far end as standard input.
    init(_ request: SpawnRequest) throws {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw ProgramError.notStarted("cannot make a socket pair: \(errnoText(errno))")
        }
        var request = request
        request.input = .descriptor(ends[1])
        request.leadership = .session
        defer { close(ends[1]) }
        do {
            process = try ChildProcess(request)
        } catch {
            close(ends[0])
            throw error
        }
        near = ends[0]
    }

    deinit { close(near) }

    /// Sends a line to the process; false when it does not listen any more.
    func send(_ line: String) -> Bool {
        let bytes = Array((line + "\n").utf8)
        return Glibc.send(near, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Gives the process the end of file that it waits for.
    func cut() {
        shutdown(near, Int32(SHUT_RDWR))
    }
}
