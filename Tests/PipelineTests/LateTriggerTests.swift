import Glibc
import Observability
import TestSupport
import Testing

/// `--triggers late`: what would act on the changes comes in the switchover, and `replay` needs no right to switch it off.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct LateTriggerTests {
    private static let acting = """
        SELECT (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal), (SELECT count(*) FROM pg_constraint WHERE contype = 'f')
        """

    @Test func theyComeInTheSwitchover() async throws {
        try await Rig.runClone { rig in
            let all = try await rig.onSource(Self.acting)
            let follower = try rig.startClone("--follow --triggers late")
            try await follower.awaitLog(containing: "following the source's changes")
            #expect(follower.stderr.contains("left out on the target until the switchover"), "\(follower.stderr)")
            try await rig.onSource(Rig.wholeChanges)
            #expect(try await rig.onTarget(Self.acting) == "0|0")
            let schema = try await rig.shell(rig.cloneCommand("compare schema"))
            #expect(schema.succeeded, "\(schema)")
            // Killed right before its end: the clone that follows drops them again, and they are made again.
            let killed = try await rig.clone("switchover", failpoint: "before-switch-done")
            #expect(!killed.succeeded)
            try await follower.awaitLog(
                containing: "dropping the foreign keys and triggers that an unfinished switchover")
            try await rig.onSource(
                "INSERT INTO m SELECT i, date '2023-12-01' + i, 'z' FROM generate_series(300, 310) i")
            try await rig.target.awaitSQL(Self.acting, equals: "0|0", database: rig.targetDatabase)
            let done = try await rig.clone("switchover").checked("switchover")
            #expect(done.stderr.contains("validated"), "\(done)")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(try await rig.onTarget(Self.acting) == all)
            try await rig.expectCloned()
        }
    }

    @Test func whatWouldActIsRefused() async throws {
        let schema = "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int);"
        try await Rig.run(schema) { rig in
            try await rig.onSource("INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)")
            try await rig.onTarget("ALTER TABLE b ADD CONSTRAINT b_a FOREIGN KEY (a) REFERENCES a")
            try await rig.capture()
            let replay = "transform --from \"$(replay --position)\" \"$SPOOL\" | replay --no-replica-role"
            let refused = try await rig.shell(replay)
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(refused.stderr.contains("foreign key b_a of public.b"), "\(refused)")
            try await rig.onTarget(
                """
                ALTER TABLE b DROP CONSTRAINT b_a; CREATE ROLE \(rig.name)_weak LOGIN;
                GRANT ALL ON a, b TO \(rig.name)_weak; GRANT CREATE ON DATABASE \(rig.targetDatabase) TO \(rig.name)_weak;
                """)
            let target = rig.target.connectionString(database: rig.targetDatabase, user: "\(rig.name)_weak")
            let weak = "TARGET='\(target)'; "
            let without = try await rig.shell(weak + replay.replacing(" --no-replica-role", with: ""))
            #expect(
                without.exitCode == ExitStatus.privilege.rawValue && without.stderr.contains("--no-replica-role"),
                "\(without)")
            try await rig.shell(weak + replay).checked("replay")
            try await rig.expectEqual()
            try await rig.onTarget("DROP OWNED BY \(rig.name)_weak; DROP ROLE \(rig.name)_weak")
        }
    }
}
