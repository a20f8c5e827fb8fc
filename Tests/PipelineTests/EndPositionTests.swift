import TestSupport
import Testing

/// Ending by itself, on a source where nothing else writes.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct EndPositionTests {
    @Test func anIdleSourceIsNoReasonToWait() async throws {
        let quiet = try await Cluster.start(name: "quiet", settings: ["autovacuum": "off"])
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", source: quiet) { rig in
            for _ in 0..<2 {
                let finished = try await rig.receive("--endpos", "current")
                #expect(finished.exitCode == 0, "\(finished)")
            }
            // A little past the end of the WAL: only something new makes it reachable.
            let beyond = try await rig.onSource("SELECT pg_current_wal_insert_lsn() + 24")
            let started = ContinuousClock.now
            let finished = try await rig.receive("--endpos", beyond)
            #expect(finished.exitCode == 0, "\(finished)")
            #expect(ContinuousClock.now - started < .seconds(10))

            try await rig.onSource("INSERT INTO t VALUES (1)")
            let piped = try await rig.shell("receive --stdout --endpos current | transform - | replay")
            #expect(piped.exitCode == 0, "\(piped)")
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    @Test func anEndInsideATransactionLeavesThatTransactionOut() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            let end = try await rig.onSource(
                """
                INSERT INTO t VALUES (1);
                BEGIN; INSERT INTO t VALUES (2); SELECT pg_current_wal_insert_lsn(); COMMIT;
                INSERT INTO t VALUES (3);
                """)
            try await rig.receive("--endpos", end).checked("receive")
            try await rig.apply()
            #expect(try await rig.onTarget("SELECT string_agg(id::text, ',' ORDER BY id) FROM t") == "1")
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }
}
