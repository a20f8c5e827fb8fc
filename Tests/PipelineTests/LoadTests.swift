import Glibc
import TestSupport
import Testing

/// The whole way of a live load, in each of the forms in which the programs can be put together.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct LoadTests {
    @Test func aPipelineInTheShellMovesALiveLoad() async throws {
        try await Rig.run(createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            let load = try Load.start(rig, seconds: 4)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 100 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let pipeline = "receive --stdout --endpos current | transform --from \"$(replay --position)\" - | replay"
            // Once in the middle of the load, and once more for the rest.
            try await rig.shell(pipeline).checked("pipeline")
            #expect(try await rig.onTarget("SELECT count(*) > 100 FROM pgbench_history") == "t")
            try await load.wait().checked("pgbench")
            try await rig.shell(pipeline).checked("pipeline")
            try await rig.expectEqual()
        }
    }

    @Test func aSpoolIsFollowedWhileItIsWritten() async throws {
        try await Rig.run(createsSlot: false) { rig in
            try await Load.prepare(rig)
            let snapshot = try await copyFromSnapshotUnderLoad(rig)
            #expect(snapshot.contains("snapshot"))

            let receiver = try rig.stage("receive", ["--dir", rig.spool, "--segment-size", "64kB"])
            let follower = try rig.start("transform --follow \"$SPOOL\" | replay")
            let load = try Load.start(rig, seconds: 4)
            try await load.wait().checked("pgbench")
            receiver.signal(SIGINT)
            #expect(try await receiver.wait().exitCode == 0)
            #expect(follower.isRunning)
            try await rig.capture("--segment-size", "64kB")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
            try await expectSoundSegments(rig)
        }
    }

    /// Creates the slot and copies from its snapshot while writers are at work, as pg_dump does with `--snapshot`.
    private func copyFromSnapshotUnderLoad(_ rig: Rig) async throws -> String {
        let load = try Load.start(rig, seconds: 2, seed: 11)
        try await Task.sleep(for: .milliseconds(300))
        let made = try await rig.shell(
            """
            mkfifo hold; exec 3<>hold
            receive --create-slot --export-snapshot <hold >slot.json 3>&- & creator=$!
            until [ -s slot.json ]; do sleep 0.02; kill -0 $creator || exit; done
            snapshot=$(sed -E 's/.*"snapshot":"([^"]+)".*/\\1/' slot.json)
            pg_dump -d "$SOURCE" --snapshot="$snapshot" | psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d "$TARGET" || exit
            exec 3>&-; wait $creator || exit
            cat slot.json
            """)
        try await load.wait().checked("pgbench")
        return try made.checked("copy").output
    }

    /// Sealed segments are whole by lz4's own judgement, readable through it, and each can be decoded alone.
    private func expectSoundSegments(_ rig: Rig) async throws {
        let segments = try await rig.sealedSegments()
        try #require(segments.count > 1)
        try await rig.shell("lz4 -tqm \"$SPOOL\"/segments/*.seg.lz4").checked("lz4 -t")
        try await rig.shell("command inspect verify \"$SPOOL\"").checked("inspect verify")

        let one = segments[segments.count - 2]
        let listed = try await rig.shell("inspect list --json \"$SPOOL\" | grep \"$(basename '\(one)')\"")
            .checked("inspect list").output
        let shown = try await rig.shell("lz4 -dcq '\(one)' | inspect show -").checked("inspect show")
        let commits = shown.outputLines.filter { $0.hasPrefix("COMMIT") }.count
        #expect(commits > 0)
        #expect(listed.split(whereSeparator: { ",{}".contains($0) }).contains("\"transactions\":\(commits)"))

        let alone = try TemporaryFolder("alone")
        let verified = try await rig.shell(
            """
            cp '\(one)' '\(alone.path)'/
            inspect verify '\(alone.path)'/*.seg.lz4
            transform '\(alone.path)'/*.seg.lz4 | grep -c '^COMMIT;'
            """
        ).checked("alone").outputLines
        #expect(verified.first?.hasPrefix("OK") == true)
        #expect(verified.last.flatMap { Int($0) } ?? 0 > 0)
    }

    @Test func psqlAppliesWhatReplayApplies() async throws {
        try await Rig.run(createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.copyByDump()
            let second = try await rig.target.createDatabase(prefix: "psql")
            let string = rig.target.connectionString(database: second)
            try await rig.shell("pg_dump -d \"$SOURCE\" | psql -Xq -v ON_ERROR_STOP=1 -d '\(string)'").checked("copy")
            try await rig.receive("--create-slot").checked("receive")
            try await Load.start(rig, seconds: 1).wait().checked("pgbench")
            try await rig.catchUp()
            try await rig.expectEqual()

            let stream = "\(rig.name)_psql"
            let psql = "transform --origin \(stream) \"$SPOOL\" | psql -Xq -v ON_ERROR_STOP=1 -d '\(string)' >applied"
            try await rig.shell(psql).checked("psql")
            let target = (rig.target, second)
            let source = (rig.source, rig.sourceDatabase)
            #expect(try await DatabaseComparison.differences(source: source, target: target) == [])

            // The first batch finds the target further than it should be and ends the session.
            #expect(try await !rig.shell(psql).succeeded)
            // Nor does a psql that continues after errors change anything.
            _ = try await rig.shell("transform --origin \(stream) \"$SPOOL\" | psql -Xq -d '\(string)' >applied")
            #expect(try await DatabaseComparison.differences(source: source, target: target) == [])
            try await rig.target.dropDatabase(second)
        }
    }
}
