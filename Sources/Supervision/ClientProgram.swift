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
    /// - Throws: ``ProgramFailure`` for a secret that has no way to get there unseen.
    package static func connecting(
        _ name: String, to server: ConnectionString, option: String = "--dbname", _ arguments: [String]
    ) throws -> ClientProgram {
        guard server.parameters["sslpassword"] == nil else {
            throw ProgramFailure(
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
        guard pipe(&ends) == 0 else { throw failure(String(cString: strerror(errno))) }
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
        return ChildProcess.wait(for: pid) { ChildProcesses.all.remove(pid) }.code
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
        var child = ChildProcess("/proc/self/exe", ["clone", ChildLifeline.subcommand, name] + arguments)
        (child.output, child.error) = (output, output)
        var changes: [String: String?] = [
            ChildLifeline.parentVariable: String(getpid()), "PGAPPNAME": DatabaseSession.applicationName,
            "LC_MESSAGES": "C", "WALRELAY_SOURCE": nil, "WALRELAY_TARGET": nil,
        ]
        if let password { changes["PGPASSWORD"] = password }
        child.environment = ChildProcess.environment(changes)
        do throws(ChildError) { return try child.start() } catch { throw failure("\(error)") }
    }

    private func failure(_ words: String) -> ProgramFailure {
        ProgramFailure(.failure, "\(name) cannot be started: \(words)")
    }
}
