import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct ProgramTests {
    @Test func givesOutputsAndExitCode() async throws {
        let finished = try await Program.run("/bin/sh", ["-c", "echo out; echo err >&2; exit 3"])
        #expect(finished.output == "out\n")
        #expect(finished.stderr == "err\n")
        #expect(finished.exitCode == 3)
        #expect(finished.signal == nil)
        #expect(throws: ProgramError.self) { try finished.checked() }
    }

    @Test func givesTheSignalThatEndedIt() async throws {
        let finished = try await Program.run("/bin/sh", ["-c", "kill -TERM $$"])
        #expect(finished.signal == SIGTERM)
        #expect(finished.exitCode == nil)
    }

    @Test func passesEveryByteOfTheInput() async throws {
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(try await Program.run("/bin/cat", stdin: .bytes(bytes)).stdout == bytes)
        let folder = try TemporaryFolder()
        let file = try folder.write("input", bytes)
        #expect(try await Program.run("/bin/cat", stdin: .file(file)).stdout == bytes)
        #expect(try await Program.run("/bin/cat").stdout == [])
    }

    @Test func addsToTheEnvironment() async throws {
        let finished = try await Program.run("/usr/bin/env", environment: ["COLOUR": "blue", "PGHOST": "here"])
        #expect(finished.outputLines.contains("COLOUR=blue"))
        #expect(finished.outputLines.contains("PGHOST=here"))
        #expect(finished.outputLines.contains { $0.hasPrefix("PATH=") })
    }

    @Test func passesNoOtherDescriptors() async throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        defer { ends.forEach { close($0) } }
        let finished = try await Program.run("/bin/ls", ["/proc/self/fd"])
        // Descriptor 3 is that of the listed folder.
        #expect(finished.outputLines == ["0", "1", "2", "3"])
    }

    @Test func killsTheWholeGroupAfterTheTimeout() async throws {
        let folder = try TemporaryFolder()
        let error = await #expect(throws: ProgramError.self) {
            try await Program.shell(
                "sleep 600 & echo $! >'\(folder.path)/pid'; echo begun; echo trouble >&2; wait",
                timeout: .seconds(5)
            )
        }
        guard case .timedOut(_, _, let stdout, let stderr) = error else {
            Issue.record("not a timeout: \(String(describing: error))")
            return
        }
        #expect(stdout == Array("begun\n".utf8))
        #expect(stderr == "trouble\n")
        let pid = try #require(pid_t(String(decoding: try folder.read("pid").dropLast(), as: UTF8.self)))
        #expect(try await becomesTrue { !isAlive(pid) })
    }

    @Test func reportsAFailureInsideAPipeline() async throws {
        let finished = try await Program.shell("false | cat")
        #expect(finished.exitCode == 1)
        #expect(try await Program.shell("printf 'b\\na\\n' | sort").checked().outputLines == ["a", "b"])
    }

    @Test func saysWhereItLookedForAProgram() async throws {
        let error = #expect(throws: ProgramError.self) { try Program.path(of: "no-such-program") }
        #expect(String(describing: error).contains("WALRELAY_BIN_DIR"))
        #expect(throws: ProgramError.self) { try Program.start("/no/such/program") }
    }

    @Test func findsTheExecutablesBesideTheTests() async throws {
        for name in ["receive", "transform", "replay", "inspect", "clone"] {
            let path = try Program.path(of: name)
            #expect(try await Program.shell("command -v \(name)").outputLines == [path])
        }
    }

    @Test func watchesAProgramInTheBackground() async throws {
        let script = "trap 'echo bye >&2; exit 7' TERM; echo ready >&2; while :; do sleep 0.02; done"
        let program = try Program.start("/bin/sh", ["-c", script])
        try await program.awaitLog(containing: "ready")
        #expect(program.isRunning)
        await #expect(throws: ProgramError.self) { try await program.wait(within: .milliseconds(50)) }
        #expect(program.isRunning)
        program.signal(SIGTERM)
        let finished = try await program.wait()
        #expect(finished.exitCode == 7)
        #expect(finished.stderr == "ready\nbye\n")
        #expect(!program.isRunning)
        await #expect(throws: ProgramError.self) { try await program.awaitLog(containing: "never") }
    }

    @Test func killsAProgram() async throws {
        let program = try Program.start("/bin/sleep", ["60"])
        program.kill()
        #expect(try await program.wait().signal == SIGKILL)
    }

    @Test func killsAForgottenProgram() async throws {
        var program: RunningProgram? = try Program.start("/bin/sleep", ["60"])
        let pid = try #require(program?.pid)
        #expect(isAlive(pid))
        program = nil
        #expect(!isAlive(pid))
    }

    @Test func runsManyAtOnce() async throws {
        try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<40 {
                group.addTask { try await Program.shell("sleep 0.1; echo \(number)").output }
            }
            var outputs: Set<String> = []
            for try await output in group { outputs.insert(output) }
            #expect(outputs.count == 40)
        }
    }
}
