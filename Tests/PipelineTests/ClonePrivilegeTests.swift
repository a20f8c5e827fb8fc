import TestSupport
import Testing

/// A whole migration by roles that have no more than the documentation asks for: no superuser on either side, and no
/// right to any function of replication origins.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ClonePrivilegeTests {
    /// Sources before 15 have the same rights; targets before 15 need a superuser for `session_replication_role`.
    @Test(arguments: try await PostgresInstallation.targetMajors().filter { $0 >= 15 })
    func anOrdinaryRoleMigrates(_ major: Int) async throws {
        try await Rig.run(targetMajor: major, publication: nil, createsSlot: false) { rig in
            let role = "\(rig.name)_mover"
            try await rig.onSource(
                """
                CREATE ROLE \(role) LOGIN REPLICATION; GRANT pg_signal_backend TO \(role);
                ALTER DATABASE \(rig.sourceDatabase) OWNER TO \(role)
                """)
            try await rig.onTarget(
                """
                CREATE ROLE \(role) LOGIN; GRANT SET ON PARAMETER session_replication_role TO \(role);
                ALTER DATABASE \(rig.targetDatabase) OWNER TO \(role)
                """)
            let source = rig.source.connectionString(database: rig.sourceDatabase, user: role)
            let target = rig.target.connectionString(database: rig.targetDatabase, user: role)
            try await rig.onSource(
                """
                SET ROLE \(role);
                CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (v int); ALTER TABLE u REPLICA IDENTITY FULL;
                CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM t;
                INSERT INTO t SELECT g, 'v' FROM generate_series(1, 1000) g; INSERT INTO u VALUES (1), (1)
                """)
            let servers = "export SOURCE='\(source)' TARGET='\(target)'; "
            try await rig.shell(servers + rig.cloneCommand("check")).checked("check")
            let follower = try rig.start(servers + rig.cloneCommand("--follow"))
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource("UPDATE t SET v = 'w' WHERE id < 500; DELETE FROM u WHERE ctid = '(0,1)'")
            try await rig.shell(servers + rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
            try await rig.shell(servers + rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
            for cluster in [rig.source, rig.target] {
                #expect(try await cluster.sql("SELECT rolsuper FROM pg_roles WHERE rolname = '\(role)'") == "f")
            }
            // The fence stays after a switchover.
            try await rig.source.sql("ALTER DATABASE \(rig.sourceDatabase) RESET default_transaction_read_only")
            try await rig.onSource("REASSIGN OWNED BY \(role) TO postgres; DROP OWNED BY \(role); DROP ROLE \(role)")
            try await rig.onTarget("REASSIGN OWNED BY \(role) TO postgres; DROP OWNED BY \(role); DROP ROLE \(role)")
        }
    }
}
