import Glibc
import TestSupport
import Testing

/// Kills a whole test process and looks at what it leaves.
@Suite(.timeLimit(.minutes(5)))
struct CleanupTests {
    private static let holderVariable = "WALRELAY_TEST_HOLDER"

    /// Not a test by itself: what the killed process does. Writes what it holds into the given file and waits.
    @Test(.enabled(if: getenv(holderVariable) != nil))
    func holder() async throws {
        let file = try #require(getenv(Self.holderVariable).map { String(cString: $0) })
        let cluster = try await Cluster.start(name: "held")
        let folder = try TemporaryFolder()
        // The second one leaves the process group, which must not save it.
        let program = try Program.start("/bin/bash", ["-c", "setsid -f sleep 600; echo ready >&2; exec sleep 600"])
        try await program.awaitLog(containing: "ready")
        let backend = try Program.start(
            "\(cluster.installation.bindir)/psql",
            ["-X", "-d", cluster.connectionString(database: "postgres"), "-c", "SELECT pg_sleep(600)"]
        )
        let server = try #require(cluster.serverPID)
        let pids = [server, program.pid, backend.pid, cluster.supervisorPID].map { "\($0)" }.joined(separator: " ")
        let text = "\(cluster.folder)\n\(folder.path)\n\(pids)\n"
        try await Program.shell("cat >'\(file).new' && mv '\(file).new' '\(file)'", stdin: .text(text)).checked()
        try await Task.sleep(for: .seconds(600))
        withExtendedLifetime((cluster, folder, program, backend)) {}
    }

    @Test(arguments: [SIGKILL, SIGINT])
    func aKilledTestProcessLeavesNothing(signal: Int32) async throws {
        let folder = try TemporaryFolder()
        let file = folder.path("held")
        let executable = "/proc/\(getpid())/exe"
        let holder = try Program.start(
            executable,
            ["--testing-library", "swift-testing", "--filter", "CleanupTests/holder"],
            environment: [Self.holderVariable: file]
        )
        let isHolding = try await becomesTrue(within: .seconds(60)) { exists(file) || !holder.isRunning }
        try #require(isHolding && holder.isRunning, "\(holder.output)\n\(holder.stderr)")
        let held = String(decoding: try folder.read("held"), as: UTF8.self).split(separator: "\n").map(String.init)
        let pids = held[2].split(separator: " ").compactMap { pid_t($0) }
        #expect(pids.count == 4)
        #expect(pids.allSatisfy(isAlive))
        #expect(exists(held[0]) && exists(held[1]))

        // A Ctrl-C goes to the whole group, so that is what is tried: the supervisors must not be part of it.
        kill(-holder.pid, signal)
        #expect(try await holder.wait(within: .seconds(30)).signal == signal)
        #expect(try await becomesTrue { !exists(held[0]) }, "the cluster's folder is left")
        #expect(try await becomesTrue { !exists(held[1]) }, "the temporary folder is left")
        #expect(try await becomesTrue { !pids.contains(where: isAlive) }, "processes are left")
        let left = try await Program.shell("find /proc/[0-9]*/cwd -maxdepth 0 -lname '\(held[0])/*' 2>/dev/null")
        #expect(left.output == "")
    }
}
