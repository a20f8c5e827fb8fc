import TestSupport
import Testing

/// How the target's server finds the rows.
@Suite(.timeLimit(.minutes(5)))
struct PlanTests {
    /// Some percent of a table's rows, for which the server's usual costs would have it read the whole table.
    @Test func rowsAreFoundByIndex() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            try await rig.onSource("INSERT INTO t SELECT g, repeat(g::text, 20) FROM generate_series(1, 40000) g")
            try await rig.catchUp()
            try await rig.onTarget("ANALYZE t")
            let scans = "SELECT pg_stat_get_numscans('t'::regclass)"
            let before = try await rig.onTarget(scans)
            try await rig.onSource("UPDATE t SET v = 'new' WHERE id % 25 = 0; DELETE FROM t WHERE id % 25 = 1")
            try await rig.catchUp()
            // A session tells what it did at its end.
            try await rig.target.awaitSQL(
                "SELECT pg_stat_get_tuples_deleted('t'::regclass)", equals: "1600", database: rig.targetDatabase)
            #expect(try await rig.onTarget(scans) == before)
            #expect(try await rig.onTarget("SELECT count(*) FROM t WHERE v = 'new'") == "1600")
        }
    }
}
