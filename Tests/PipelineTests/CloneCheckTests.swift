import Glibc
import Observability
import TestSupport
import Testing

/// `clone check`: what it finds, and that it leaves everything as it was.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneCheckTests {
    /// The lines that do not pass, without the space between columns.
    private func complaints(_ finished: Finished) -> [String] {
        finished.outputLines.filter { $0.hasPrefix("WARN") || $0.hasPrefix("FAIL") }
            .map { $0.split(separator: " ").prefix(4).joined(separator: " ") }
    }

    private func tableWarnings(_ finished: Finished) -> Int {
        complaints(finished).count { $0.hasPrefix("WARN source tables") }
    }

    @Test func serversThatAreReadyPass() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            let finished = try await rig.shell(rig.cloneCommand("check"))
            try finished.checked("clone check")
            #expect(complaints(finished) == [], "\(finished)")
            // What passes is one line.
            #expect(finished.outputLines.count == 1 && finished.output.hasPrefix("pass  "), "\(finished)")
            #expect(finished.output.contains("wal_level, ") && finished.output.contains("(--all shows each)"))
            let all = try await rig.shell(rig.cloneCommand("check --all")).checked("clone check --all")
            #expect(all.output.contains("all changes of all tables can be replicated"), "\(all)")
            let levels = all.outputLines.count { $0.hasPrefix("pass") && $0.contains("wal_level") }
            #expect(levels == 1, "\(all)")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
            try await rig.expectCleanedUp()
        }
    }

    @Test func whatIsNotFollowedIsAWarning() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(
                """
                CREATE TABLE keyless (v int); SELECT lo_create(0);
                CREATE TRIGGER always BEFORE INSERT ON keyless FOR EACH ROW EXECUTE FUNCTION shout();
                ALTER TABLE keyless ENABLE ALWAYS TRIGGER always;
                """)
            let finished = try await rig.shell(rig.cloneCommand("check"))
            try finished.checked("clone check")
            let found = complaints(finished)
            for expected in [
                "WARN source large objects", "WARN source triggers triggers", "WARN source deferrable keys",
                "WARN source tables \"public\".\"generated\",", "WARN source tables \"public\".\"unlogged\":",
            ] {
                #expect(found.contains(expected), "\(expected) is missing: \(found)")
            }
            #expect(
                finished.output.contains(", \"public\".\"keyless\": INSERT and TRUNCATE are replicated, "),
                "\(finished)")
            #expect(finished.output.contains("ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY FULL;"))
            let copyOnly = try await rig.shell(rig.cloneCommand("check --no-follow --all"))
            #expect(complaints(copyOnly) == [], "\(copyOnly)")
            #expect(copyOnly.output.contains("1, copied"), "\(copyOnly)")
        }
    }

    /// Equal warnings are one, and what to run can be pasted.
    @Test func tablesWithoutIdentityAreOneWarning() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            try await rig.onSource(
                """
                CREATE TABLE one (v int); CREATE TABLE "two ""2" (v int); CREATE TABLE three (v int UNIQUE);
                CREATE TABLE coded (a int NOT NULL, b int NOT NULL, c int, UNIQUE (a, b), UNIQUE (c));
                CREATE UNIQUE INDEX "narrow one" ON coded (a); CREATE UNIQUE INDEX partly ON coded (b) WHERE c > 1;
                CREATE TABLE late (v int NOT NULL UNIQUE DEFERRABLE); CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY);
                """)
            let check = try await rig.shell(rig.cloneCommand("check")).checked("check")
            #expect(tableWarnings(check) == 2, "\(check)")
            let statements = check.outputLines.filter { $0.hasPrefix("ALTER TABLE ") }
            let expected: Set<String> = [
                "ALTER TABLE \"public\".\"one\" REPLICA IDENTITY FULL;",
                "ALTER TABLE \"public\".\"two \"\"2\" REPLICA IDENTITY FULL;",
                "ALTER TABLE \"public\".\"three\" REPLICA IDENTITY FULL;",
                "ALTER TABLE \"public\".\"late\" REPLICA IDENTITY FULL;",
                "ALTER TABLE \"public\".\"coded\" REPLICA IDENTITY USING INDEX \"narrow one\";",
            ]
            #expect(Set(statements) == expected, "\(check)")
            // As it advises; what would rewrite a table is not among it.
            try await rig.onSource(statements.joined(separator: "\n"))
            let again = try await rig.shell(rig.cloneCommand("check")).checked("check")
            #expect(tableWarnings(again) == 1, "\(again)")
            #expect(again.output.contains("ALTER TABLE \"public\".\"fleeting\" SET LOGGED;"), "\(again)")
        }
    }

    @Test func roomForASecondSlotIsLookedFor() async throws {
        let source = try await Cluster.start(name: "source with little room", settings: ["max_replication_slots": "2"])
        try await Rig.run("", source: source, publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            let roomy = try await rig.shell(rig.cloneCommand("check")).checked("clone check")
            #expect(complaints(roomy) == [], "\(roomy)")
            try await source.sql("SELECT pg_create_physical_replication_slot('one')")
            let warned = try await rig.shell(rig.cloneCommand("check")).checked("clone check")
            #expect(complaints(warned) == ["WARN source max_replication_slots the"], "\(warned)")
            #expect(warned.output.contains("ALTER SYSTEM SET max_replication_slots = 3"), "\(warned)")
            try await source.sql("SELECT pg_create_physical_replication_slot('two')")
            let refused = try await rig.shell(rig.cloneCommand("check"))
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(refused.output.contains("ALTER SYSTEM SET max_replication_slots = 4"), "\(refused)")
        }
        try await source.remove()
    }

    /// On either side, it is the one thing that fails; a plain copy can be made of one.
    @Test func aStandbyIsNamed() async throws {
        let primary = try await Cluster.start(name: "primary of a copied standby")
        try await Rig.run("", source: primary, publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
            let standby = try await primary.startStandby(name: "standby to copy")
            try await standby.awaitSQL("SELECT count(*) FROM t", equals: "1", database: rig.sourceDatabase)
            let string = "'\(standby.connectionString(database: rig.sourceDatabase))'"
            let empty = "'\(standby.connectionString(database: "postgres"))'"
            for other in ["SOURCE=\(string)", "TARGET=\(empty)"] {
                let found = try await rig.shell("\(other); " + rig.cloneCommand("check"))
                #expect(found.exitCode == ExitStatus.unsuitableServer.rawValue, "\(found)")
                #expect(complaints(found).count == 1 && found.output.contains("is a standby"), "\(found)")
                #expect(found.output.contains("connect to its primary"), "\(found)")
                let started = try await rig.shell("\(other); " + rig.cloneCommand("--follow"))
                expectRefusal(started, .unsuitableServer, "clone", "is a standby", "connect to its primary")
            }
            try await rig.shell("SOURCE=\(string); " + rig.cloneCommand("")).checked("clone")
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "1")
            try await standby.remove()
        }
        try await primary.remove()
    }

    /// What ends a slot that is not read from is said before, with how long that takes, and while it is near.
    @Test func aSlotThatCanBeLostIsNamed() async throws {
        let source = try await Cluster.start(
            name: "source that keeps little",
            settings: ["max_slot_wal_keep_size": "64MB", "idle_replication_slot_timeout": "1d"],
            installation: PostgresInstallation.of(major: 18))
        try await Rig.run("", source: source, publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            let found = try await rig.shell(rig.cloneCommand("check")).checked("clone check")
            #expect(
                complaints(found) == [
                    "WARN source max_slot_wal_keep_size max_slot_wal_keep_size",
                    "WARN source idle_replication_slot_timeout idle_replication_slot_timeout",
                ], "\(found)")
            #expect(found.output.contains("clone may be away for"), "\(found)")
            #expect(found.output.contains("ALTER SYSTEM SET idle_replication_slot_timeout = 0"), "\(found)")
            let follower = try rig.startClone("--follow")
            try await rig.shell("clone wait --for caught-up --dir \"$SPOOL\"").checked("wait")
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            // One that does not read.
            let held = try rig.startClone("--follow --min-free 100000TB")
            try await held.awaitLog(containing: "not reading from the source")
            for _ in 0..<3 {
                try await rig.onSource(
                    "SELECT pg_logical_emit_message(false, '', repeat('x', 15000000)); SELECT pg_switch_wal()")
            }
            try await rig.shell(
                "until clone status --dir \"$SPOOL\" | grep -q 'more of WAL (max_slot_wal_keep_size), and is lost then'; do sleep 0.2; done"
            ).checked("status")
            held.signal(SIGTERM)
            _ = try await held.wait()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
        try await source.remove()
    }

    @Test func whatWouldStopACopyFailsWithItsRemedy() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            let role = "weak_\(getpid())_\(rig.name)"
            try await rig.onSource(
                """
                CREATE ROLE \(role) LOGIN PASSWORD 'x'; CREATE TABLE t (id int PRIMARY KEY);
                CREATE TABLE theirs (id int PRIMARY KEY); ALTER TABLE theirs OWNER TO \(role)
                """)
            try await rig.onTarget("CREATE TABLE in_the_way (v int)")
            let refused = try await rig.shell(rig.cloneCommand("check"))
            #expect(refused.exitCode == ExitStatus.unsuitableServer.rawValue, "\(refused)")
            #expect(
                Set(complaints(refused)) == ["FAIL target roles the", "FAIL target contents the"], "\(refused)")
            #expect(refused.output.contains("--no-owner") && refused.output.contains(role))
            let weak = try await rig.shell(
                "clone check --no-owner --source \"$SOURCE user=\(role) password=x\" --target \"$TARGET\" --dir \"$SPOOL\" "
                    + "--slot-name \"$NAME\"")
            #expect(weak.exitCode == ExitStatus.privilege.rawValue, "\(weak)")
            #expect(
                Set(complaints(weak)) == [
                    "FAIL source role role", "FAIL source publication role", "WARN source fence role",
                    "FAIL target contents the",
                ],
                "\(weak)")
            #expect(weak.output.contains("ALTER ROLE \"\(role)\" REPLICATION;"))
            let json = try await rig.shell(rig.cloneCommand("check --json"))
            #expect(json.output.hasPrefix("[{") && json.output.contains("\"status\":\"fail\""))
            try await rig.onSource("DROP TABLE theirs; DROP ROLE \(role)")
        }
    }

    /// A catalog that the role may not read is one failure, with the others beside it.
    @Test func aRefusedQueryHidesNothing() async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            let role = "blind_\(getpid())_\(rig.name)"
            try await rig.onSource(
                "CREATE ROLE \(role) LOGIN; CREATE TABLE t (id int PRIMARY KEY); REVOKE SELECT ON pg_catalog.pg_policy FROM PUBLIC"
            )
            let check = try await rig.shell(
                "clone check --source \"$SOURCE user=\(role)\" --target \"$TARGET\" --dir \"$SPOOL\" --slot-name \"$NAME\""
            )
            #expect(check.exitCode == ExitStatus.privilege.rawValue, "\(check)")
            #expect(
                Set(complaints(check)) == [
                    "FAIL source role role", "FAIL source publication role", "WARN source fence role",
                    "FAIL target roles looking",
                ], "\(check)")
            #expect(check.output.contains("permission denied for table pg_policy"), "\(check)")
            try await rig.onSource("GRANT SELECT ON pg_catalog.pg_policy TO PUBLIC; DROP ROLE \(role)")
        }
    }

    /// What is part of the database runs with the rights of who writes its rows.
    @Test func codeOfOrdinaryRolesIsNamed() async throws {
        try await Rig.runClone { rig in
            let quiet = try await rig.shell(rig.cloneCommand("check"))
            #expect(!quiet.output.contains("functions of ordinary roles"), "\(quiet)")
            let role = "coder_\(rig.name)"
            for side in [rig.source, rig.target] { try await side.sql("CREATE ROLE \(role)", database: "postgres") }
            try await rig.onSource(
                """
                CREATE SCHEMA code AUTHORIZATION \(role); SET ROLE \(role);
                CREATE FUNCTION code.checks(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
                CREATE FUNCTION code.makes(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
                CREATE FUNCTION code.sorts(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1';
                CREATE FUNCTION code.limits(int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
                CREATE FUNCTION code.fires() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                CREATE FUNCTION code.quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
                CREATE FUNCTION code.equals(int, int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true';
                CREATE OPERATOR code.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = code.equals);
                CREATE DOMAIN code.number AS int CHECK (code.limits(VALUE));
                CREATE TABLE code.t (id int PRIMARY KEY, n code.number, v int CHECK (code.checks(v)),
                  w int CHECK (w OPERATOR(code.===) 1), g int GENERATED ALWAYS AS (code.makes(v)) STORED);
                CREATE INDEX ON code.t (code.sorts(v));
                CREATE TRIGGER one BEFORE INSERT ON code.t FOR EACH ROW EXECUTE FUNCTION code.fires();
                CREATE TRIGGER two BEFORE INSERT ON code.t FOR EACH ROW EXECUTE FUNCTION code.quiet();
                ALTER TABLE code.t ENABLE ALWAYS TRIGGER one;
                """)
            let found = try await rig.shell(rig.cloneCommand("check"))
            let line =
                found.outputLines.first { $0.contains("functions of ordinary roles run with the rights of") } ?? ""
            for name in ["checks", "makes", "sorts", "limits", "fires", "equals"] {
                #expect(line.contains("code.\(name)("), "\(name): \(found)")
            }
            #expect(!line.contains("quiet"), "\(found)")
            try await rig.onSource(
                """
                DROP TABLE code.t; SET ROLE \(role);
                CREATE FUNCTION code.measures(int, int) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT 1.0::float8';
                CREATE TYPE code.span AS RANGE (subtype = int4, subtype_diff = code.measures);
                CREATE FUNCTION code.divides(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1; END';
                CREATE TABLE code.parted (v int) PARTITION BY LIST (code.divides(v));
                CREATE FUNCTION code.rules(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'; CREATE TABLE code.t ();
                CREATE RULE always AS ON DELETE TO code.t DO ALSO SELECT code.rules(1); ALTER TABLE code.t ENABLE ALWAYS RULE always;
                """)
            let more = try await rig.shell(rig.cloneCommand("check"))
            for name in ["measures", "divides", "rules"] {
                #expect(more.output.contains("code.\(name)("), "\(name): \(more)")
            }
            try await rig.onSource("DROP SCHEMA code CASCADE")
            for side in [rig.source, rig.target] { try await side.sql("DROP ROLE \(role)", database: "postgres") }
        }
    }
}
