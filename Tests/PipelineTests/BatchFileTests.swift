import Failpoints
import Glibc
import Observability
import TestSupport
import Testing

/// `transform --output` and `replay` of its folder.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct BatchFileTests {
    private static let table = "CREATE TABLE t (id int PRIMARY KEY, v text)"

    /// Transactions of some rows each, then what the source has is captured.
    private func write(_ rig: Rig, _ range: ClosedRange<Int>) async throws {
        let statements = range.map {
            "INSERT INTO t SELECT g, repeat(md5(g::text), 8) FROM generate_series(\($0 * 100), \($0 * 100 + 49)) g;"
                + "UPDATE t SET v = 'updated in \($0)' WHERE id = \($0 * 100);"
        }
        try rig.folder.write("load.sql", statements.joined(separator: "\n"))
        try await rig.shell("psql -Xqo /dev/null -d \"$SOURCE\" -f load.sql").checked("psql")
        try await rig.capture("--segment-size", "64kB")
    }

    private static let small = "--max-changes 60 --file-size 40kB \"$SPOOL\" --output out"

    @Test(arguments: ["none", "lz4"])
    func aFolderIsAppliedOnce(_ compression: String) async throws {
        try await Rig.run(Self.table) { rig in
            try await write(rig, 1...20)
            let transform = "transform \(Self.small) --compress \(compression)"
            try await rig.shell(transform).checked("transform")
            let names = try await rig.shell("ls out | grep -v lock").checked("ls").outputLines
            #expect(names.count > 3 && names.allSatisfy { $0.hasSuffix(compression == "lz4" ? ".sql.lz4" : ".sql") })
            // Only the last one has the end line; each continues where the one before ended.
            let text = try await rig.shell("for f in out/*.sql*; do lz4 -dcf $f 2>/dev/null || cat $f; echo; done")
                .stdout
            let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("-- walrelay end ") }.count == 1)
            #expect(lines.dropLast().last?.hasPrefix("-- walrelay end ") == true)
            #expect(lines.last?.hasPrefix("-- walrelay checksum ") == true)
            #expect(zip(names, names.dropFirst()).allSatisfy { $0.dropFirst(17).prefix(16) == $1.prefix(16) })

            try await rig.shell("replay out").checked("replay")
            try await rig.expectEqual()
            // Again: nothing is applied twice, and a folder that has nothing new gets no file.
            let again = try await rig.shell("\(transform) && replay out").checked("again")
            #expect(again.stderr.contains("applied 0 transactions"))
            #expect(try await rig.shell("ls out | grep -v lock").outputLines == names)

            // The log continues, and so does the folder, though its last file had the end line.
            try await write(rig, 21...30)
            try await rig.shell("\(transform) && replay out/").checked("more")
            try await rig.expectEqual()
            // A target that has nothing takes all files at once, over the end line in their midst.
            try await rig.onTarget("TRUNCATE t")
            let name = "\(rig.name)_again"
            try await rig.shell("command replay --target \"$TARGET\" --origin \(name) out").checked("all")
            try await rig.expectEqual()
        }
    }

    @Test func psqlRunsTheFiles() async throws {
        try await Rig.run(Self.table) { rig in
            try await write(rig, 1...10)
            try await rig.shell(
                """
                transform \(Self.small) || exit
                for f in out/*.sql; do psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d "$TARGET" -f $f || exit; done
                """
            ).checked("psql")
            try await rig.expectEqual()
        }
    }

    @Test func whatIsMissingOrForeignIsRefused() async throws {
        try await Rig.run(Self.table) { rig in
            try await write(rig, 1...20)
            try await rig.shell("transform \(Self.small)").checked("transform")
            let names = try await rig.shell("ls out | grep -v lock").outputLines
            try #require(names.count > 4)
            // In the midst.
            let missing = try await rig.shell("mv out/\(names[2]) aside; replay -q out")
            expectRefusal(missing, .gap, "replay", "no file has the batches", "transform --from")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
            // At the end: there is no end line.
            let cut = try await rig.shell(
                "mv aside out/\(names[2]); mv out/\(names[names.count - 1]) aside; replay -q out")
            expectRefusal(cut, .incomplete, "replay", "end mark")
            // What the target has is not needed any more.
            try await rig.shell(
                "mv aside out/\(names[names.count - 1]); rm out/\(names[0]) out/\(names[1]); replay out"
            ).checked("replay")
            try await rig.expectEqual()
            expectRefusal(
                try await rig.shell("transform -q \(Self.small) --from 0/10"), .usage, "transform", "--from 0/10", "out"
            )
            expectRefusal(try await rig.shell("mkdir empty; replay -q empty"), .incomplete, "replay", "empty")
            expectRefusal(try await rig.shell("replay -q out out"), .usage, "replay", "out")

            try await Rig.run(Self.table) { other in
                try await write(other, 1...3)
                expectRefusal(
                    try await rig.shell("transform -q '\(other.spool)' --output out"), .foreign, "transform", "--output"
                )
                // A file that fits by its name alone.
                let end = names[names.count - 1].dropFirst(17).prefix(16)
                let fitting = "out/\(end)-FFFFFFFF00000000.sql"
                try await rig.shell("transform -q '\(other.spool)' >\(fitting)").checked("transform")
                expectRefusal(try await rig.shell("replay -q out"), .foreign, "replay")
            }
        }
    }

    @Test func followingSealsWhatIsOld() async throws {
        try await Rig.run(Self.table) { rig in
            let receive = try rig.stage("receive", ["--dir", "spool"])
            try await receive.awaitLog(containing: "streaming from slot")
            let transform = try rig.stage("transform", ["--follow", "spool", "--output", "out", "--file-age", "1"])
            for number in 1...3 {
                try await rig.onSource("INSERT INTO t VALUES (\(number), 'a')")
                guard number < 3 else { break }
                // Sealed while nothing more comes.
                try await rig.shell(
                    "for i in {1..300}; do [ $(ls out | grep -c 'sql$') -ge \(number) ] && exit; sleep 0.1; done; exit 1"
                ).checked("waiting for file \(number)")
            }
            receive.signal(SIGINT)
            #expect(try await receive.wait().succeeded)
            try await rig.capture()
            #expect(try await transform.wait().exitCode == 0, "it ends at the end record: \(transform.stderr)")
            try await rig.shell("replay out").checked("replay")
            try await rig.expectEqual()
        }
    }

    /// Killed at each named point and at random moments, then the same command: nothing is lost or doubled.
    @Test(arguments: ["none", "lz4"])
    func aKilledWriterGoesOn(_ compression: String) async throws {
        try await Rig.run(Self.table) { rig in
            try await write(rig, 1...60)
            var random = SeededRandom(seed: 20_240_301)
            let command = "transform --origin \"$NAME\" \(Self.small) --compress \(compression)"
            for point in Failpoint.allCases where point.owner == .transform {
                let time = Int.random(in: 1...2, using: &random)
                let died = try await rig.start(
                    "export \(Failpoint.variable)='\(point.rawValue):\(time)'; exec \(command)"
                ).wait()
                #expect(died.signal == SIGKILL, "\(point.rawValue) was not reached: \(died)")
            }
            for _ in 0..<5 {
                let running = try rig.start("exec \(command)")
                try await Task.sleep(for: .milliseconds(Int.random(in: 5...60, using: &random)))
                running.kill()
                _ = try await running.wait()
            }
            try await rig.shell("\(command) && replay out").checked("the last run")
            #expect(try await rig.shell("ls out | grep -c partial").outputLines == ["0"])
            try await rig.expectEqual()
        }
    }
}
