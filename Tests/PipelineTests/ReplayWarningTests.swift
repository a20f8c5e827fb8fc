import Postgres
import TestSupport
import Testing

/// What replay says about a target, and about itself.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ReplayWarningTests {
    @Test func triggersRulesAndDeferrableKeysAreNamed() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            try await rig.onTarget(
                """
                CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v || ''!''; RETURN NEW; END';
                CREATE TRIGGER always BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();
                ALTER TABLE t ENABLE ALWAYS TRIGGER always;
                CREATE TRIGGER quiet BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
                CREATE TABLE d (id int PRIMARY KEY DEFERRABLE);
                CREATE RULE r AS ON DELETE TO d DO INSTEAD NOTHING;
                ALTER TABLE d ENABLE REPLICA RULE r
                """)
            try await rig.onSource("INSERT INTO t VALUES (1, 'a'); UPDATE t SET v = 'b'")
            try await rig.capture()
            let applied = try await rig.shell("transform --ordered-table t \"$SPOOL\" | replay --spool \"$SPOOL\"")
            try applied.checked("replay")
            let warnings = applied.stderr.split(separator: "\n").filter { $0.contains("on the target ") }
            #expect(warnings.count == 3, "\(applied.stderr)")
            for name in ["always on public.t;", "r on public.d;", "d_pkey on public.d;", "--ordered-table"] {
                #expect(warnings.contains { $0.contains(name) }, "\(name): \(warnings)")
            }
            // The trigger saw both changes, as on the source.
            #expect(try await rig.onTarget("SELECT v FROM t") == "b!")
        }
    }

    @Test func theStatusFileSaysWhereTheTargetIs() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t SELECT generate_series(1, 10)")
            try await rig.capture()
            try await rig.shell("transform \"$SPOOL\" | replay --spool \"$SPOOL\"").checked("replay")
            let status = String(decoding: try rig.folder.read("spool/state/replay.json"), as: UTF8.self)
            #expect(
                status.contains("\"applied\":\"\(try await rig.position().replacing("/", with: "\\/"))\""), "\(status)")
            #expect(status.contains("\"changes\":10") && status.contains("\"running\":false"), "\(status)")
            // What other tests wrote before receive looked last is between.
            let receive = String(decoding: try rig.folder.read("spool/state/receive.json"), as: UTF8.self)
            let server = try #require(receive.firstMatch(of: /"server":"([0-9A-F]+\/[0-9A-F]+)"/), "\(receive)")
            let end = try #require(LSN(String(server.1)))
            let applied = try #require(LSN(try await rig.position()))
            let lag = end > applied ? end.rawValue - applied.rawValue : 0
            #expect(status.contains("\"delay_seconds\":") && status.contains("\"lag_bytes\":\(lag)"), "\(status)")
        }
    }

    @Test func rowsThatAreMissingCanBeSaidAndPassed() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            try await rig.onSource("INSERT INTO t SELECT g, 'a' FROM generate_series(1, 10) g")
            try await rig.catchUp()
            try await rig.onTarget("DELETE FROM t WHERE id IN (3, 4)")
            try await rig.onSource("UPDATE t SET v = 'b'; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (11)")
            try await rig.capture()
            let from = try await rig.position()
            let strict = try await rig.shell("transform --from \(from) \"$SPOOL\" | replay")
            #expect(strict.exitCode == 16, "\(strict)")
            let lenient = try await rig.shell("transform --from \(from) \"$SPOOL\" | replay --on-missing warn")
            try lenient.checked("replay --on-missing warn")
            #expect(lenient.stderr.contains("another number of rows than on the source; continuing as asked"))
            #expect(
                try await rig.onTarget("SELECT string_agg(id || v, ',' ORDER BY id) FROM t WHERE v = 'b'").hasPrefix(
                    "1b,2b,5b"))
        }
    }
}
