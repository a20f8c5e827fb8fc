import Catalog
import Glibc
import Observability
import Postgres
import Threading

/// One of PostgreSQL's client programs, run as a child that dies with this process.
///
/// Connection strings go onto its command line without passwords, which travel in its environment.
package struct ClientProgram {
    package let name: String
    package let arguments: [String]

    package init(name: String, arguments: [String]) {
        self.name = name
        self.arguments = arguments
    }

    /// A program that was told to end cancels its statements first, which takes for ever with a server that does not
    /// answer.
    private static let patienceMilliseconds = 5_000

    /// Adds the server to the command line.
    ///
    /// - Throws: ``MigrationError`` for a secret that has no way to get there unseen.
    package static func connecting(
        _ name: String, to server: ConnectionString, option: String = "--dbname", _ arguments: [String]
    ) throws -> ClientProgram {
        guard server.parameters["sslpassword"] == nil else {
            throw MigrationError(
                .usage,
                "sslpassword in a connection string cannot be handed to \(name) unseen; use a key without a pass phrase"
            )
        }
        // Whoever owns the database may have set something else for its sessions.
        let own = try server.adding(option: SessionSettings.startOptions)
        return ClientProgram(name: name, arguments: arguments + [option, own.withoutSecrets])
    }

    /// Runs the program to its end on this thread.
    ///
    /// - Parameter line: takes each line of its output.
    /// - Returns: its exit code, or 128 and the signal that ended it.
    package func run(password: String?, stop: StopRequest, line: (String) -> Void) throws -> Int32 {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure(errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let pid: pid_t
        do {
            defer { close(ends[1]) }
            pid = try spawn(output: ends[1], password: password)
        } catch {
            close(ends[0])
            throw error
        }
        ChildProcesses.all.add(pid, isGroup: true)
        read(ends[0], of: pid, stop, line)
        close(ends[0])
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
        ChildProcesses.all.remove(pid)
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    }

    private func read(_ descriptor: Int32, of pid: pid_t, _ stop: StopRequest, _ line: (String) -> Void) {
        var rest: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        var isStopping = false
        var killAt = Deadline.never
        while true {
            let ready = Polling.wait(descriptor, isStopping ? -1 : stop.descriptor, until: killAt)
            if ready.second && !isStopping {
                isStopping = true
                killAt = .after(milliseconds: Self.patienceMilliseconds)
                // With its own children, which have the pipe too.
                kill(-pid, SIGTERM)
            }
            if killAt.hasPassed {
                killAt = .never
                kill(-pid, SIGKILL)
            }
            guard ready.first else { continue }
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { break }
            rest += piece[..<count]
            while let end = rest.firstIndex(of: 0x0A) {
                line(String(decoding: rest[..<end], as: UTF8.self))
                rest.removeSubrange(...end)
            }
        }
        if !rest.isEmpty { line(String(decoding: rest, as: UTF8.self)) }
    }

    private func spawn(output: Int32, password: String?) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Out of reach of a terminal's Ctrl-C, which goes to clone alone; signals as a shell would leave them.
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in [SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGCHLD] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        let words = ["clone", ChildLifeline.subcommand, name] + arguments
        var pid: pid_t = 0
        let variables = environment(password)
        let code = CStrings.with(words) { wordPointers in
            CStrings.with(variables) { variablePointers in
                posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, wordPointers, variablePointers)
            }
        }
        guard code == 0 else { throw failure(code) }
        return pid
    }

    private func environment(_ password: String?) -> [String] {
        var own = [
            "\(ChildLifeline.parentVariable)=\(getpid())", "PGAPPNAME=\(DatabaseSession.applicationName)",
            "LC_MESSAGES=C",
        ]
        if let password { own.append("PGPASSWORD=\(password)") }
        let names = own.map { $0.prefix { $0 != "=" } + "=" } + ["WALRELAY_SOURCE=", "WALRELAY_TARGET="]
        return own + CStrings.environment().filter { variable in !names.contains { variable.hasPrefix($0) } }
    }

    private func failure(_ code: Int32) -> MigrationError {
        MigrationError(.failure, "\(name) cannot be started: \(String(cString: strerror(code)))")
    }
}

/// Lists of words for C.
private enum CStrings {
    static func with<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result) rethrows
        -> Result
    {
        let pointers = strings.map { strdup($0) }
        defer { pointers.forEach { free($0) } }
        return try body(pointers + [nil])
    }

    /// The environment that this process was started with.
    static func environment() -> [String] {
        let descriptor = open("/proc/self/environ", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        while case let count = read(descriptor, &piece, piece.count), count > 0 { bytes += piece[..<count] }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }
}
