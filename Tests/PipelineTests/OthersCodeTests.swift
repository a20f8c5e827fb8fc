import TestSupport
import Testing

/// To plan a query of a table runs functions of whoever made its indexes and statistics, with the rights of whoever asks.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct OthersCodeTests {
    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(1))
    func comparingAndDividingRunNone(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            let role = "mal_\(rig.name)"
            try await rig.onBoth("CREATE ROLE \(role)")
            try await rig.onSource(
                """
                CREATE SCHEMA mal AUTHORIZATION \(role); CREATE SEQUENCE called; GRANT ALL ON SEQUENCE called TO PUBLIC; SET ROLE \(role);
                CREATE FUNCTION mal.vol() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
                  IF current_user <> '\(role)' THEN PERFORM nextval('public.called'); END IF; RETURN true; END $$;
                CREATE FUNCTION mal.ev() RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM mal.vol(); RETURN true; END';
                CREATE UNLOGGED TABLE mal.indexed (id int PRIMARY KEY, v int); INSERT INTO mal.indexed SELECT i, i FROM generate_series(1, 900) i;
                CREATE INDEX ON mal.indexed (v) WHERE mal.ev();
                CREATE TABLE mal.counted (id int PRIMARY KEY, v int); INSERT INTO mal.counted SELECT i, i FROM generate_series(1, 900) i;
                CREATE STATISTICS mal.s ON (CASE WHEN mal.ev() THEN id END), v FROM mal.counted;
                CREATE DOMAIN mal.d AS int CHECK (set_config('application_name', 'evil', false) IS NOT NULL);
                """)
            let check = try await rig.shell(rig.cloneCommand("check")).output
            #expect(check.contains("mal.counted") && check.contains("d_check of mal.d"), "\(check)")
            let follower = try await rig.startFollower("--split-tables-larger-than 8kB")
            try await rig.onSource("SET ROLE \(role); UPDATE mal.indexed SET v = -v WHERE id < 9")
            for compared in ["compare data", "switchover --fence --compare"] {
                let done = try await rig.shell(rig.cloneCommand(compared))
                // The unlogged table differs until the switchover has brought it over.
                #expect(done.exitCode == (compared == "compare data" ? 1 : 0), "\(done)")
            }
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            #expect(
                try await rig.onSource("BEGIN READ WRITE; SELECT is_called FROM called; COMMIT") == "f",
                "a function was run")
            let sum = "SET ROLE \(role); SELECT count(*), sum(v) FROM mal.indexed"
            #expect(try await rig.onTarget(sum) == rig.onSource(sum))
            for side in [rig.onSource, rig.onTarget] {
                _ = try await side(
                    "BEGIN READ WRITE; DROP SCHEMA mal CASCADE; DROP OWNED BY \(role); DROP ROLE \(role); COMMIT")
            }
        }
    }
}
