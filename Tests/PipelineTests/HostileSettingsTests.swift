import TestSupport
import Testing

/// Databases whose owners have set everything that they may to something else: `ALTER DATABASE … SET`.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct HostileSettingsTests {
    /// Values that change what text means, what a statement may see, or when a session ends.
    private static let settings: [(name: String, value: String)] = [
        ("array_nulls", "off"), ("backslash_quote", "off"), ("bytea_output", "escape"), ("client_encoding", "LATIN1"),
        ("client_min_messages", "debug1"), ("datestyle", "'SQL, DMY'"), ("default_tablespace", "''"),
        ("default_transaction_deferrable", "on"), ("default_transaction_isolation", "serializable"),
        ("default_transaction_read_only", "on"), ("escape_string_warning", "on"), ("exit_on_error", "on"),
        ("extra_float_digits", "-15"), ("gin_fuzzy_search_limit", "1"), ("idle_in_transaction_session_timeout", "'1s'"),
        ("idle_session_timeout", "'1s'"), ("intervalstyle", "sql_standard"), ("lc_monetary", "'C.UTF-8'"),
        ("lc_numeric", "'C.UTF-8'"), ("lock_timeout", "'10ms'"), ("quote_all_identifiers", "on"),
        ("row_security", "on"),
        ("search_path", "evil, pg_catalog"), ("standard_conforming_strings", "off"), ("statement_timeout", "'1s'"),
        ("timezone", "'Asia/Kathmandu'"), ("transaction_timeout", "'1s'"), ("transform_null_equals", "on"),
        ("xmlbinary", "hex"), ("xmloption", "document"), ("default_toast_compression", "pglz"),
        ("restrict_nonsystem_relation_kind", "'view, foreign-table'"), ("timezone_abbreviations", "'India'"),
        ("enable_indexscan", "off"), ("enable_hashjoin", "off"), ("from_collapse_limit", "1"), ("work_mem", "'64kB'"),
        ("synchronous_commit", "off"), ("check_function_bodies", "on"), ("plan_cache_mode", "force_generic_plan"),
        ("random_page_cost", "'1.79769e+308'"),
    ]

    /// Operators and functions that stand before those of pg_catalog where search_path says so; each tells when called.
    private static let traps = """
        CREATE SCHEMA evil; CREATE TABLE evil.called (what text);
        CREATE FUNCTION evil.regex(name, name) RETURNS bool LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO evil.called VALUES ('!~'); RETURN false; END $$;
        CREATE OPERATOR evil.!~ (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.regex);
        CREATE FUNCTION evil.equal(name, text) RETURNS bool LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO evil.called VALUES ('='); RETURN false; END $$;
        CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.equal);
        CREATE FUNCTION evil.count(int) RETURNS int LANGUAGE plpgsql AS
          $$ BEGIN INSERT INTO evil.called VALUES ('count'); RETURN 0; END $$;
        GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT ALL ON evil.called TO PUBLIC;

        """

    private static let schema = """
        CREATE TABLE v (id int PRIMARY KEY, m money, a text[], b bytea, f8 float8, f4 float4, i interval, t timestamptz,
          d date, x xml, n numeric, s text, e text DEFAULT E'it''s \\\\ so');
        INSERT INTO v VALUES (1, 99.95, '{NULL,"NULL",a}', '\\x00ff', 0.1, 0.1, '1-2 3 4:05:06', '2024-03-04 05:06:07+03',
          '2024-02-01', '<a/>', 'NaN', E'tab\\t \\\\back\\nü');
        INSERT INTO v (id) VALUES (2);
        """
    private static let changes = """
        INSERT INTO v SELECT g, 1.5 * g, ARRAY[NULL, 'NULL', g::text], 'bytes', g / 3.0, g / 7.0, g * '1 day 1 ms'::interval,
          '2024-10-11 12:13:14.5+00', '2023-04-05', 'text only', g, E'\\\\' || g FROM generate_series(10, 40) g;
        UPDATE v SET m = 1234.56, a = NULL, x = '<b>1</b>' WHERE id = 1; UPDATE v SET s = NULL, a = '{NULL}' WHERE id > 30;
        DELETE FROM v WHERE id = 20;
        """

    @Test(
        arguments: [[true, false], [false, true], [true, true]], try await PostgresInstallation.targetMajors().prefix(2)
    )
    func theyChangeNothing(_ sides: [Bool], _ major: Int) async throws {
        try await Rig.run(targetMajor: major, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Self.schema)
            try await rig.onSource(Self.traps)
            if sides[0] { try await hostile(rig.source, rig.sourceDatabase, isSource: true) }
            if sides[1] { try await hostile(rig.target, rig.targetDatabase, isSource: false) }
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource(Self.own + Self.changes)
            try await rig.shell(rig.cloneCommand("switchover --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            for (cluster, database) in [(rig.source, rig.sourceDatabase), (rig.target, rig.targetDatabase)] {
                try await cluster.sql("ALTER DATABASE \(database) RESET ALL")
                // The trap is copied too, and nobody has stepped into it on either side.
                let called = "SELECT coalesce(string_agg(DISTINCT what, ' '), '') FROM evil.called"
                #expect(try await cluster.sql(called, database: database) == "")
            }
            try await rig.expectEqual()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    /// What a session of the application sets for itself, so that it is not the one that suffers.
    private static let own = """
        SET standard_conforming_strings = on; SET backslash_quote = safe_encoding; SET client_encoding = 'UTF8';
        SET search_path = public; SET datestyle = 'ISO'; SET intervalstyle = postgres; SET array_nulls = on;
        SET xmloption = content; SET lc_monetary = 'C'; SET statement_timeout = 0; SET lock_timeout = 0;

        """

    private func hostile(_ cluster: Cluster, _ database: String, isSource: Bool) async throws {
        for (name, value) in Self.settings where !(isSource && name == "default_transaction_read_only") {
            let known = try await cluster.sql("SELECT count(*) FROM pg_settings WHERE lower(name) = '\(name)'")
            if known == "1" { try await cluster.sql("ALTER DATABASE \(database) SET \(name) = \(value)") }
        }
    }
}
