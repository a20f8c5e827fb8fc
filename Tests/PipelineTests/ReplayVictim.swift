import Failpoints
import Glibc
import TestSupport
import Testing

/// `transform --follow` into replay or psql, from where the target is, in small batches, and ways to let parts of it die.
final class ReplayVictim {
    private let rig: Rig
    private let mode: ReplayCrashTests.Mode
    private let shell: RunningProgram
    private let file: String

    private static let counter = NameCounter()

    /// Starts the two.
    init(_ rig: Rig, _ mode: ReplayCrashTests.Mode, failpoint: String = "") async throws {
        self.rig = rig
        self.mode = mode
        file = "replay.\(ReplayVictim.counter.next())"
        shell = try rig.start(
            """
            transform -q --max-changes 20 \(mode.transform) --from \(try await rig.position()) --follow "$SPOOL" |
              (echo $BASHPID >\(file); export PGAPPNAME='walrelay \(mode == .psql ? "psql" : "replay")'
               export \(Failpoint.variable)='\(failpoint)'; exec \(mode.program))
            echo "${PIPESTATUS[@]}"
            """)
    }

    var isRunning: Bool { shell.isRunning }
    var log: String { shell.stderr }

    /// Waits for the end of both; replay's exit code.
    func end() async throws -> Int32 {
        // What transform still writes shows it that nobody reads.
        let finished = try await shell.wait(within: .seconds(60))
        return finished.outputLines.last?.split(separator: " ").last.flatMap { Int32($0) } ?? -1
    }

    /// Kills the program that applies; false if it had ended by itself, which psql does when it loses its server.
    func kill() async throws -> Bool {
        try await Glibc.kill(pid(), SIGKILL)
        let code = try await end()
        #expect(code == 128 + SIGKILL || isEndWithoutTarget(code), "\(code): \(log)")
        return code == 128 + SIGKILL
    }

    /// It has ended by itself because there was no target.
    func expectEndWithItsTarget() async throws {
        let code = try await end()
        #expect(isEndWithoutTarget(code), "\(code): \(log)")
    }

    /// replay waits for a target that it has had before; psql ends with code 2 (or 3, in the middle of a script).
    private func isEndWithoutTarget(_ code: Int32) -> Bool {
        guard mode == .psql else { return code == 3 && !wasConnected }
        let words = ["connection to server", "server closed the connection"]
        return [2, 3].contains(code) && words.contains { log.contains($0) }
    }

    /// replay had a session with the target.
    var wasConnected: Bool { log.contains("connected to the target") }

    func signal(_ number: Int32) { if let pid { Glibc.kill(pid, number) } }

    /// Kills the server process that serves the program, if it has one; the server then starts itself again.
    func killBackend() async throws -> Bool {
        let found = try await rig.target.sql(
            """
            SELECT max(pid) FROM pg_stat_activity
             WHERE datname = '\(rig.targetDatabase)' AND application_name ~ '^walrelay (replay|psql)$'
            """)
        guard let backend = Int32(found) else { return false }
        Glibc.kill(backend, SIGKILL)
        try await rig.target.awaitSQL("SELECT count(*) FROM pg_stat_activity WHERE pid = \(backend)", equals: "0")
        return true
    }

    /// Waits until replay has stopped at its failpoint.
    func awaitStop() async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            try #require(isRunning, "\(log)")
            if let pid, ReplayVictim.isStopped(pid) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("the failpoint was not reached: \(log)")
    }

    /// Waits until replay has logged a text so many times.
    func awaitLog(containing text: String, times: Int = 1) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while log.components(of: text) < times {
            try #require(isRunning && ContinuousClock.now < deadline, "\(log)")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// By the letter behind the program's name in /proc/PID/stat.
    static func isStopped(_ pid: Int32) -> Bool {
        let file = open("/proc/\(pid)/stat", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).contains(") T ")
    }

    private var pid: Int32? {
        guard let text = try? rig.folder.read(file), text.last == 0x0A else { return nil }
        return Int32(String(decoding: text.dropLast(), as: UTF8.self))
    }

    private func pid() async throws -> Int32 {
        while pid == nil {
            try #require(isRunning, "\(log)")
            try await Task.sleep(for: .milliseconds(5))
        }
        return try #require(pid)
    }
}

extension String {
    /// How often it has `part`.
    fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
