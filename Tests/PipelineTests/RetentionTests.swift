import Glibc
import Observability
import TestSupport
import Testing

/// Archiving sealed segments, and pruning those that nobody needs any more.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct RetentionTests {
    private static let schema = "CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;"

    private func write(_ rig: Rig, segments: Int = 10) async throws {
        for _ in 0..<segments {
            try await rig.onSource("INSERT INTO ledger SELECT i, md5(random()::text) FROM generate_series(1, 4000) i")
        }
    }

    private func prune(_ rig: Rig, _ more: String...) async throws -> Finished {
        try await Program.run(
            "receive", ["--prune", "--dir", rig.spool, "--target", rig.targetString, "--origin", rig.name] + more)
    }

    @Test func onlyWhatTheTargetHasIsPruned() async throws {
        try await Rig.run(Self.schema) { rig in
            try await write(rig)
            try await rig.capture("--segment-size", "64kB")
            let before = try await rig.sealedSegments()
            #expect(before.count >= 4)
            try await prune(rig).checked("receive")
            #expect(try await rig.sealedSegments() == before, "the target has nothing yet")
            // A part of the log.
            try await rig.shell(
                "transform --to \"$(inspect list --json \"$SPOOL\" | \(end(of: 2)))\" \"$SPOOL\" | replay"
            )
            .checked("transform | replay")
            try await prune(rig).checked("receive")
            #expect(try await rig.sealedSegments() == Array(before.dropFirst(2)))
            try await rig.apply()
            try await prune(rig).checked("receive")
            #expect(try await rig.sealedSegments() == [before.last ?? ""], "the last one says where the log ends")
            try await write(rig, segments: 1)
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.shell("inspect verify \"$SPOOL\"").checked("inspect verify")
        }
    }

    private func end(of segment: Int) -> String {
        "sed -nE 's/.*\"end\":\"([^\"]*)\".*/\\1/p' | sed -n \(segment)p"
    }

    @Test func ageAloneOrWithATarget() async throws {
        try await Rig.run(Self.schema) { rig in
            try await write(rig)
            try await rig.capture("--segment-size", "64kB")
            let before = try await rig.sealedSegments()
            try await rig.shell("touch -d '2 hours ago' '\(before[0])' '\(before[1])'").checked("touch")
            try await prune(rig, "--prune-older-than", "1h").checked("receive")
            #expect(try await rig.sealedSegments() == before, "old, but the target has not got it")
            try await rig.receive("--prune", "--prune-older-than", "3h").checked("receive")
            #expect(try await rig.sealedSegments() == before)
            try await rig.receive("--prune", "--prune-older-than", "1h").checked("receive")
            #expect(try await rig.sealedSegments() == Array(before.dropFirst(2)))
            let usage = try await rig.receive("--prune")
            expectRefusal(usage, .usage, "receive", "--target", "--prune-older-than")
            let elsewhere = try await Program.run(
                "receive", ["--prune", "--dir", rig.folder.path("nowhere"), "--prune-older-than", "1h"])
            expectRefusal(elsewhere, .inputOutput, "receive", "nowhere", "--dir")
        }
    }

    @Test func aSizeStays() async throws {
        try await Rig.run(Self.schema) { rig in
            try await write(rig)
            try await rig.capture("--segment-size", "64kB")
            let before = try await rig.sealedSegments()
            try await prune(rig, "--prune-over", "100kB").checked("receive")
            #expect(try await rig.sealedSegments() == before, "the target has nothing yet")
            try await rig.apply()
            let bytes = "cat \"$SPOOL\"/segments/*.seg.lz4 | wc -c"
            let all = try #require(try await rig.shell(bytes).checked("wc").outputLines.first)
            try await prune(rig, "--prune-over", all).checked("receive")
            #expect(try await rig.sealedSegments() == before)
            try await prune(rig, "--prune-over", "100kB").checked("receive")
            let kept = try await rig.sealedSegments()
            #expect(kept == Array(before.suffix(kept.count)))
            func size(_ text: [String]) throws -> Int { try #require(text.first.flatMap { Int($0) }) }
            let left = try size(try await rig.shell(bytes).checked("wc").outputLines)
            let oldest = try size(try await rig.shell("wc -c <'\(kept[0])'").checked("wc").outputLines)
            #expect(left >= 100 << 10 && left - oldest < 100 << 10 && kept.count < before.count, "\(left), \(oldest)")
        }
    }

    @Test func whatTheTargetHasGoesWhereTheDiskIsShort() async throws {
        try await Rig.run(Self.schema) { rig in
            try await write(rig)
            try await rig.capture("--segment-size", "64kB")
            let before = try await rig.sealedSegments()
            let isShort = ["--prune-when-short", "--min-free", "100000TB"]
            let enough = ["--prune-when-short", "--min-free", "1MB"]
            let refused = try await rig.receive("--prune", "--prune-when-short")
            expectRefusal(refused, .usage, "receive", "--target", "WALRELAY_TARGET")
            try await Program.run("receive", ["--prune", "--dir", rig.spool, "--target", rig.targetString] + isShort)
                .checked("receive")
            #expect(try await rig.sealedSegments() == before, "the target has nothing yet")
            try await rig.apply()
            let target = ["--prune", "--dir", rig.spool, "--target", rig.targetString, "--origin", rig.name]
            try await Program.run("receive", target + enough).checked("receive")
            #expect(try await rig.sealedSegments() == before)
            // Also what another rule would keep.
            let pruned = try await Program.run("receive", target + isShort + ["--prune-older-than", "7d"])
            #expect(pruned.stderr.contains("the disk has less than"), "\(pruned)")
            #expect(try await rig.sealedSegments() == [before.last ?? ""])
        }
    }

    /// A migration keeps the log until the disk is short of space, or as it was told; also when it goes on without a word.
    @Test(arguments: ["", "--keep-log all"]) func aMigrationMakesRoom(_ wish: String) async throws {
        try await Rig.runClone { rig in
            // The disk is short, but not so short that nothing is received.
            let free = try await rig.shell("mkdir -p \"$SPOOL\"; df -B1 --output=avail \"$SPOOL\" | tail -1").checked(
                "df")
            let minFree = "--min-free \((Int(free.output.filter(\.isNumber)) ?? 0) / 4 * 3)"
            var clone = try rig.startClone("--follow \(minFree) \(wish)")
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            clone.signal(SIGTERM)
            _ = try await clone.wait()
            clone = try rig.startClone("--follow \(minFree)")
            for round in 1...3 {
                try await rig.onSource("INSERT INTO parent VALUES (\(1000 + round))")
                try await rig.target.awaitSQL(
                    "SELECT count(*) FROM parent WHERE id = \(1000 + round)", equals: "1", database: rig.targetDatabase)
                // Sealed, or gone already.
                try await rig.shell(
                    """
                    open=$(ls "$SPOOL"/segments/*.partial) && pkill -HUP -f "receive --dir $SPOOL " || exit
                    while test -e "$open"; do sleep 0.05; done
                    """
                ).checked("sealing")
            }
            if wish.isEmpty {
                try await clone.awaitLog(containing: "removing what the target has from the log")
                while try await rig.sealedSegments().count > 1 { try await Task.sleep(for: .milliseconds(50)) }
            } else {
                let log = try await rig.sealedSegments()
                #expect(log.count >= 3)
            }
            try await rig.onSource("INSERT INTO parent VALUES (2000)")
            clone.signal(SIGTERM)
            _ = try await clone.wait()
            if !wish.isEmpty { #expect(!clone.stderr.contains("removing what the target has"), "\(clone.stderr)") }
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await rig.onTarget("SELECT count(*) FROM parent WHERE id = 2000") == "1")
            try await rig.shell("inspect verify \"$SPOOL\"").checked("inspect verify")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func archivedIsWhatTheCommandSaysIsSafe() async throws {
        try await Rig.run(Self.schema) { rig in
            let archive = rig.folder.path("100% safe")
            // Fails until the folder is there, and complains when it is called again for a segment that it has.
            let command =
                "test ! -e \"\(archive.replacing("%", with: "%%"))/%f\" && cp %p "
                + "\"\(archive.replacing("%", with: "%%"))/\""
            let receive = try rig.stage(
                "receive",
                ["--dir", rig.spool, "--segment-size", "64kB", "--archive-command", command, "--start", "--prune"]
                    + ["--prune-older-than", "0"])
            try await receive.awaitLog(containing: "streaming from slot")
            try await write(rig)
            try await receive.awaitLog(containing: "--archive-command failed for")
            let sealed = try await rig.sealedSegments()
            #expect(try await rig.sealedSegments().prefix(sealed.count) == sealed[...], "pruned without an archive")
            try await rig.shell("mkdir '\(archive)'").checked("mkdir")
            try await receive.awaitLog(containing: "pruned")
            receive.signal(15)
            try await receive.wait().checked("receive")
            let rest = try await rig.receive(
                "--segment-size", "64kB", "--endpos", "current", "--archive-command", command
            ).checked("receive")
            #expect(!rest.stderr.contains("failed"), "\(rest.stderr)")
            // At the end everything sealed is in the archive, and the archive is a whole log.
            try await rig.shell(
                """
                mkdir -p restored/segments && cp "$SPOOL/spool.json" restored/ && cp '\(archive)'/* restored/segments/
                inspect verify restored || exit
                for segment in "$SPOOL"/segments/*.lz4; do cmp "$segment" restored/segments/"${segment##*/}" || exit; done
                """
            ).checked("restoring")
        }
    }
}
