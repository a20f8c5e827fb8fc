import Observability
import TestSupport
import Testing

/// A schema `walrelay` that another role made, to have its functions run with our rights.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct OwnSchemaTests {
    private static let counter = NameCounter()
    private static let columns = """
        SELECT 'walrelay'::text AS stream, 0 AS lane, 1 AS lanes, '0/1'::pg_lsn AS position, 1::int8 AS timeline,
               NULL::timestamptz AS committed_at, ''::text AS source_system, ''::text AS source_database, ''::text AS slot,
               NULL::text AS log_id, now() AS applied_at, ''::text AS tool
        """

    /// Runs `body` with a role that made `sql` in its schema `walrelay` on the target, where `spring()` tells of its use.
    private func run(_ sql: String, _ body: (Rig, String) async throws -> Void) async throws {
        let target = try await Cluster.shared(.target, major: PostgresInstallation.newest().major)
        let role = "trapper_\(Self.counter.next())"
        try await target.sql("CREATE ROLE \(role)")
        try await Rig.run(target: target) { rig in
            try await rig.onBoth("CREATE TABLE t (id int PRIMARY KEY)")
            try await rig.onSource("INSERT INTO t SELECT generate_series(1, 10)")
            try await rig.capture()
            try await rig.onTarget(
                """
                CREATE TABLE sprung (by text); GRANT ALL ON sprung TO PUBLIC;
                CREATE SCHEMA walrelay AUTHORIZATION \(role); SET ROLE \(role);
                CREATE FUNCTION walrelay.spring() RETURNS int VOLATILE LANGUAGE plpgsql AS $$
                  BEGIN INSERT INTO public.sprung SELECT current_user WHERE current_user <> '\(role)'; RETURN 1; END $$;
                CREATE FUNCTION walrelay.fire() RETURNS trigger LANGUAGE plpgsql AS $$
                  BEGIN PERFORM walrelay.spring(); RETURN new; END $$;
                \(sql)
                """)
            try await body(rig, role)
            #expect(try await rig.onTarget("SELECT count(*) FROM sprung") == "0")
        }
        try await target.sql("DROP ROLE \(role)")
    }

    private func expectRefused(_ rig: Rig, _ words: String) async throws {
        for command in [
            "transform \"$SPOOL\" | replay", "command replay --target \"$TARGET\" --position",
            "receive --prune --dir \"$SPOOL\" --target \"$TARGET\"",
            "clone check --source \"$SOURCE\" --target \"$TARGET\" --follow --dir other",
        ] {
            let finished = try await rig.shell(command)
            #expect(finished.exitCode != 0 && finished.stderr.contains(words), "\(command): \(finished)")
        }
        let psql = try await rig.shell("transform \"$SPOOL\" | psql -Xq -v ON_ERROR_STOP=1 -d \"$TARGET\"")
        #expect(psql.stderr.contains("must not act with the rights of this one"), "\(psql)")
        #expect(try await rig.onTarget("SELECT count(*) FROM t") == "0")
    }

    @Test func aViewInThePlaceOfTheTableIsNotRead() async throws {
        try await run("CREATE VIEW walrelay.progress AS \(Self.columns) WHERE walrelay.spring() = 1") { rig, _ in
            try await expectRefused(rig, "is not a plain table")
        }
    }

    @Test func aTableOfSomebodyElseIsNotUsed() async throws {
        let table = """
            CREATE TABLE walrelay.progress AS \(Self.columns) LIMIT 0;
            ALTER TABLE walrelay.progress ADD PRIMARY KEY (stream, lane);
            ALTER TABLE walrelay.progress ALTER applied_at SET DEFAULT now() + interval '1 s' * walrelay.spring();
            CREATE TRIGGER t BEFORE INSERT OR UPDATE ON walrelay.progress FOR EACH ROW EXECUTE FUNCTION walrelay.fire();
            ALTER TABLE walrelay.progress ENABLE ALWAYS TRIGGER t;
            """
        try await run(table) { rig, role in
            try await expectRefused(rig, "is not a plain table")
            try await rig.onTarget(
                "DROP TRIGGER t ON walrelay.progress; ALTER TABLE walrelay.progress ALTER applied_at DROP DEFAULT")
            try await expectRefused(rig, "belongs to the role \"\(role)\"")
        }
    }

    @Test func theAdviceHelps() async throws {
        try await run("") { rig, role in
            let refused = try await rig.shell("transform \"$SPOOL\" | replay")
            let advice = try #require(
                refused.stderr.split(separator: "as a superuser: ").last?.split(separator: "\n").first)
            try await rig.onTarget(String(advice))
            try await rig.onTarget("DROP FUNCTION walrelay.fire, walrelay.spring")
            try await rig.shell("transform \"$SPOOL\" | replay").checked("replay")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "10")
        }
    }
}
