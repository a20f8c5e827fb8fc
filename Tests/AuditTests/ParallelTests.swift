import Postgres
import Spool
import TestSupport
import Testing

/// `transform --jobs` writes what one thread writes.
@Suite(.timeLimit(.minutes(5))) struct ParallelTests {
    private let log: TestLog

    /// Four segments and an open one, with layouts that change, a transaction that is cut off and restarted, a repeat, a
    /// large transaction, and watermarks.
    init() throws {
        log = try TestLog()
        let short = Wire.relation(1, "t", ["id*", "v"])
        let long = Wire.relation(1, "t", ["id*", "v", "w"])
        let other = Wire.relation(2, "u", ["id*", "v"])
        for number in 1...60 {
            let text = Wire.Cell.text(TestLog.noise(20_000, seed: UInt64(number)))
            let isLong = number % 7 >= 3
            var messages: [[UInt8]] = []
            if number % 12 == 1 { messages.append(other) }
            if number % 12 == 1 || number % 7 == 3 || number % 7 == 0 { messages.append(isLong ? long : short) }
            let key = "\(number)"
            let row: [Wire.Cell] = [.text(Array(key.utf8)), text]
            for _ in 0..<(number == 33 ? 150 : 1) {
                messages += [
                    Wire.insert(1, isLong ? row + [nil] : row), Wire.insert(2, row),
                    Wire.update(1, isLong ? [row[0], "a", "b"] : [row[0], "a"]),
                ]
            }
            if number % 20 == 10 {
                let end = TestLog.end(number).rawValue
                try log.chunk([Wire.begin(end - 9, time: 1, xid: 9)] + messages, at: end - 0x80)
            }
            try log.transaction(number, messages)
            if number % 20 == 15 { try log.transaction(number, messages) }
            if number % 12 == 0 && number < 60 { try log.seal() }
        }
    }

    private func transform(_ arguments: [String]) async throws -> Finished {
        let finished = try await Program.run("transform", ["-q", log.spool.path] + arguments)
        #expect(finished.exitCode == 0, "\(arguments): \(finished.stderr)")
        return finished
    }

    @Test(arguments: [2, 3, 7])
    func everyByteIsTheSame(jobs: Int) async throws {
        // Batches of one transaction end at the same places.
        for options in [
            ["--ordered", "--max-changes", "1"], ["--max-changes", "1"],
            ["--max-changes", "1", "--max-bytes", "100kB"],
            ["--max-changes", "1", "--max-bytes", "30kB", "--from", "0/1500", "--to", "0/4000"],
            ["--max-changes", "1", "--max-bytes", "30kB", "--from", "0/2200", "--table", "u"],
        ] {
            let one = try await transform(options)
            let several = try await transform(options + ["--jobs", "\(jobs)"])
            #expect(one.stdout == several.stdout, "\(options)")
            #expect(one.stdout.count > 100_000, "\(options)")
        }
    }

    @Test func batchesFollowOneAnother() async throws {
        for options in [["--max-bytes", "100kB"], ["--max-bytes", "100kB", "--table", "nothing"], []] {
            let lines = try await transform(options + ["--jobs", "3"]).outputLines
            func position(_ line: String, _ key: String) -> String? {
                line.split(separator: "\"\(key)\":\"").dropFirst().first?.split(separator: "\"").first.map(String.init)
            }
            var reached = "0/1000"
            for line in lines {
                if line.hasPrefix("-- walrelay batch ") { #expect(position(line, "from") == reached) }
                if line.hasPrefix("-- walrelay commit ") { reached = position(line, "to") ?? "" }
            }
            #expect(reached == "0/4C00")
            #expect(lines.last == #"-- walrelay end {"to":"0/4C00","reason":"input-end"}"#)
        }
    }

    @Test func aFailureComesAfterWhatIsBeforeIt() async throws {
        let path = log.path(log.names[2])
        var bytes = try log.folder.read("s/segments/" + log.names[2])
        bytes[bytes.count / 2] ^= 0x20
        try log.folder.write("s/segments/" + log.names[2], bytes)
        for jobs in ["1", "3"] {
            let finished = try await Program.run(
                "transform", ["-q", log.spool.path, "--max-bytes", "30kB", "--jobs", jobs])
            #expect(finished.exitCode == 13 && finished.stderr.contains(path), "\(finished.stderr)")
            #expect(finished.output.contains(#"-- walrelay commit {"to":"0/2800"}"#), "\(jobs)")
            #expect(!finished.output.contains("-- walrelay end "))
        }
        // The target's reader is gone.
        let gone = try await Program.shell(
            "transform -q '\(log.spool.path)' --jobs 3 | head -c 10000 >/dev/null; echo ${PIPESTATUS[0]}")
        #expect(gone.outputLines == ["18"] || gone.outputLines == ["13"], "\(gone)")
        let missing = try await Program.run(
            "transform", ["-q", log.path(log.names[0]), log.path(log.names[3]), "--jobs", "2", "--max-bytes", "30kB"])
        #expect(missing.exitCode == 10, "\(missing.stderr)")
    }

    @Test func aFolderTakesThemInOrder() async throws {
        let folder = log.folder.path("out")
        _ = try await transform(["--jobs", "3", "--max-bytes", "30kB", "--file-size", "300kB", "--output", folder])
        let names = try await Program.shell("ls '\(folder)'").outputLines.filter { $0.hasSuffix(".sql") }
        #expect(names.count > 4)
        #expect(zip(names, names.dropFirst()).allSatisfy { $0.dropFirst(17).prefix(16) == $1.prefix(16) })
        #expect(
            names.first?.hasPrefix("0000000000001000-") == true
                && names.last?.hasSuffix("-0000000000004C00.sql") == true)
    }
}
