import Glibc
import TestSupport
import Testing

/// `clone compare`, and the fence of `clone switchover`.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneCompareTests {
    @Test func whatDiffersIsNamed() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            let equal = try await rig.shell(rig.cloneCommand("compare"))
            try equal.checked("compare")
            #expect(equal.output.contains("the definitions are equal") && equal.output.contains("tables are equal"))

            try await rig.onTarget(
                """
                UPDATE shop.people SET name = 'other' WHERE id = 17; DELETE FROM shop.people WHERE id = 2001;
                UPDATE m SET v = NULL WHERE id = 3; INSERT INTO m VALUES (9, '2020-01-01', 'more');
                DELETE FROM "odd "" schema"."t a,b" WHERE "c ""d" = 3;
                DROP TABLE unlogged; ALTER TABLE parent ALTER id SET DEFAULT 7; DROP INDEX shop.people_name;
                CREATE VIEW late AS SELECT 1 AS one
                """)
            let differs = try await rig.shell(rig.cloneCommand("compare"))
            #expect(differs.exitCode == 1, "\(differs)")
            for line in [
                "\"shop\".\"people\": differs: (id) = (17)", "\"shop\".\"people\": not on the target: (id) = (2001)",
                "\"public\".\"m_old\": differs: (id, d) = (3,2023-12-04)",
                "\"public\".\"m_old\": not on the source: (id, d) = (9,2020-01-01)",
                "\"public\".\"unlogged\": relation \"public.unlogged\" does not exist", "differs: TABLE public.parent",
                "only on the source: INDEX shop.people_name", "only on the target: VIEW public.late",
                "only on the source: TABLE public.unlogged",
            ] {
                #expect(differs.output.contains(line), "\(line) is missing: \(differs.output)")
            }
            let states = differs.outputLines.filter { $0.hasPrefix("\"") }.map { $0.split(separator: "  ").prefix(2) }
            #expect(states.count == 4, "\(states)")
            let json = try await rig.shell(rig.cloneCommand("compare data --json"))
            #expect(json.exitCode == 1 && json.output.contains("\"state\":\"missing\""), "\(json)")
        }
    }

    @Test func aFollowedTargetIsComparedWhenItHasCaughtUp() async throws {
        try await Rig.runClone { rig in
            try await Load.prepare(rig)
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            let load = try Load.start(rig, seconds: 5)
            let during = try await rig.shell(rig.cloneCommand("compare data"))
            // What the load writes to all the time cannot be compared, and nothing differs for good.
            let states = Set(
                during.outputLines.filter { $0.hasPrefix("\"") }.compactMap {
                    $0.split(separator: " ").dropFirst().first
                })
            #expect(states.subtracting(["changing"]).isEmpty, "\(during)")
            try await load.wait().checked("pgbench")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func aFenceStopsWritersUntilTheEndOrAFailure() async throws {
        try await Rig.runClone { rig in
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            let application = try rig.start("exec psql -Xq \"$SOURCE\" -c 'SELECT pg_sleep(600)'")
            // The target cannot take this: the switchover fails, and the application goes on with the source.
            try await rig.onTarget("ALTER TABLE parent RENAME TO elsewhere")
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            // Other tests' databases write WAL too, which the target is behind by while it is stuck.
            let failed = try await rig.shell(rig.cloneCommand("switchover --fence --max-lag 1000GB"))
            #expect(failed.exitCode == 16, "\(failed)")
            #expect(failed.stderr.contains("the source can be written to again"), "\(failed)")
            #expect(try await application.wait().exitCode != 0)
            _ = try await follower.wait()
            try await rig.onSource("INSERT INTO parent VALUES (78)")

            try await rig.onTarget("ALTER TABLE elsewhere RENAME TO parent")
            let switched = try await rig.shell(rig.cloneCommand("switchover --fence")).checked("switchover")
            #expect(switched.output.contains("RESET default_transaction_read_only;"))
            await #expect(throws: (any Error).self) { try await rig.onSource("INSERT INTO parent VALUES (79)") }
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }
}
