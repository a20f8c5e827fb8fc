import Glibc

/// A program to be run as a child of this process, in a process group of its own: a terminal's Ctrl-C for this program does
/// not reach it. Signals are as a shell would leave them: what is ignored here would be there, too.
public struct ChildProcess: Sendable {
    /// How a child ended.
    public struct Ending: Sendable, Equatable {
        /// Its exit code, or 128 and the signal that ended it, as a shell says it.
        public let code: Int32

        init(status: Int32) {
            code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
        }

        /// In words: `code 1`, `signal 9`.
        public var words: String { code < 128 ? "code \(code)" : "signal \(code - 128)" }
    }

    /// The program's file.
    public var path: String
    /// Its name, as it sees that itself, and its arguments.
    public var words: [String]
    /// Its variables, `NAME=value` each; nil for those of this process.
    public var environment: [String]?
    /// What it reads; nil for nothing.
    public var input: Int32?
    /// Where its standard output goes. Of this program, that is for data.
    public var output: Int32 = 2
    /// Where its messages go.
    public var error: Int32 = 2

    /// A program that has nothing to read, and whose output goes where this program's messages do.
    public init(_ path: String, _ words: [String]) {
        self.path = path
        self.words = words
    }

    /// A command of the user's, run by `sh -c`.
    public static func shell(_ text: String) -> ChildProcess { ChildProcess("/bin/sh", ["sh", "-c", text]) }

    /// Starts it.
    ///
    /// - Throws: ``ChildError``.
    public func start() throws(ChildError) -> pid_t {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        if let input {
            posix_spawn_file_actions_adddup2(&files, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_adddup2(&files, output, 1)
        if error != 2 { posix_spawn_file_actions_adddup2(&files, error, 2) }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var pid = pid_t()
        let code = Self.withPointers(words) { words in
            guard let environment else { return posix_spawn(&pid, path, &files, &attributes, words, environ) }
            return Self.withPointers(environment) { posix_spawn(&pid, path, &files, &attributes, words, $0) }
        }
        guard code == 0 else { throw .cannotStart(errno: code) }
        return pid
    }

    /// Waits for the end of a child on this thread.
    ///
    /// - Parameter ended: called while its number is still its own: whoever would send it a signal must not do so any more.
    public static func wait(for pid: pid_t, ended: () -> Void = {}) -> Ending {
        var information = siginfo_t()
        while waitid(P_PID, UInt32(pid), &information, WEXITED | WNOWAIT) != 0 && errno == EINTR {}
        ended()
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            // Someone else has taken it, and with it how it ended: that is no success.
            guard errno == EINTR else { return Ending(status: 1 << 8) }
        }
        return Ending(status: status)
    }

    /// How a child ended; nil while it runs.
    public static func ending(of pid: pid_t) -> Ending? {
        var status: Int32 = 0
        let ended = waitpid(pid, &status, WNOHANG)
        guard ended == 0 || ended < 0 && errno == EINTR else { return Ending(status: ended == pid ? status : 1 << 8) }
        return nil
    }

    /// The variables of this process with others in their place.
    ///
    /// - Parameter changes: the values of variables; nil for those that are left out.
    public static func environment(_ changes: [String: String?]) -> [String] {
        var variables: [String] = []
        var next = environ
        while let variable = next.pointee {
            let text = String(cString: variable)
            if changes[String(text.prefix { $0 != "=" })] == nil { variables.append(text) }
            next += 1
        }
        for (name, value) in changes { if let value { variables.append("\(name)=\(value)") } }
        return variables
    }

    private static func withPointers<Result>(
        _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        let pointers = strings.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        return body(pointers + [nil])
    }
}

/// Why no child could be started.
public enum ChildError: Error, CustomStringConvertible {
    /// `posix_spawn` failed.
    case cannotStart(errno: Int32)

    /// The system's words.
    public var description: String {
        switch self {
        case .cannotStart(let code): String(cString: strerror(code))
        }
    }
}
