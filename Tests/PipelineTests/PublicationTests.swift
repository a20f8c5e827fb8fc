import Observability
import TestSupport
import Testing

/// Publications that receive makes by itself, and what they do to the source's application.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PublicationTests {
    /// Tables of all kinds. Published by FOR ALL TABLES, the UPDATEs and DELETEs of half of them would fail.
    private static let schema = """
        CREATE TABLE keyed (id int PRIMARY KEY, v int);
        CREATE TABLE late_key (id int PRIMARY KEY DEFERRABLE, v int);
        CREATE TABLE whole (id int, v int); ALTER TABLE whole REPLICA IDENTITY FULL;
        CREATE TABLE derived (id int, v int, twice int GENERATED ALWAYS AS (v * 2) STORED);
        ALTER TABLE derived REPLICA IDENTITY FULL;
        CREATE TABLE keyless (id int, v int);
        CREATE TABLE "No ""thing" (id int PRIMARY KEY, v int); ALTER TABLE "No ""thing" REPLICA IDENTITY NOTHING;
        CREATE TABLE by_index (id int NOT NULL, v int); CREATE UNIQUE INDEX by_index_id ON by_index (id);
        ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_id;
        CREATE TABLE lost_index (id int NOT NULL, v int); CREATE UNIQUE INDEX lost_index_id ON lost_index (id);
        ALTER TABLE lost_index REPLICA IDENTITY USING INDEX lost_index_id; DROP INDEX lost_index_id;
        CREATE TABLE child (more int) INHERITS (keyed);
        CREATE TABLE parts (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
        CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (id);
        CREATE TABLE parts_2_a PARTITION OF parts_2 FOR VALUES FROM (10) TO (20);
        CREATE TABLE mixed (id int, v int) PARTITION BY RANGE (id);
        CREATE TABLE mixed_whole PARTITION OF mixed FOR VALUES FROM (0) TO (10);
        ALTER TABLE mixed_whole REPLICA IDENTITY FULL;
        CREATE TABLE mixed_keyless PARTITION OF mixed FOR VALUES FROM (10) TO (100);
        CREATE UNLOGGED TABLE fleeting (id int PRIMARY KEY, v int);
        CREATE EXTENSION hstore; CREATE TABLE member (id int PRIMARY KEY, v int);
        ALTER EXTENSION hstore ADD TABLE member;
        CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
        CREATE FOREIGN TABLE elsewhere (id int) SERVER nowhere;

        """

    private static let tables = [
        "keyed", "late_key", "whole", "derived", "keyless", "\"No \"\"thing\"", "by_index", "lost_index", "child",
        "parts", "mixed", "fleeting", "member",
    ]

    @Test func noStatementOfTheApplicationFails() async throws {
        try await Rig.run(Self.schema, publication: nil, createsSlot: false) { rig in
            // pgbench ends with an error at the first statement that fails.
            let script = Self.tables.map { table in
                """
                INSERT INTO \(table) (id, v) SELECT :n % 10, :n
                 WHERE NOT EXISTS (SELECT FROM \(table) WHERE id = :n % 10);
                UPDATE \(table) SET v = v + 1 WHERE id = :n % 10;
                DELETE FROM \(table) WHERE id = (:n + 5) % 10;

                """
            }.joined()
            try rig.folder.write("application.sql", "\\set n random(0, 1000000)\n" + script)
            let load = try rig.start(
                "exec pgbench -n -c 1 -T 4 -f application.sql \"$SOURCE\"")
            try await rig.source.awaitSQL(
                "SELECT count(*) > 0 FROM by_index", equals: "t", database: rig.sourceDatabase)
            let created = try await rig.receive("--create-slot").checked("receive")
            expectRemarks(created.stderr)
            let finished = try await load.wait()
            #expect(finished.exitCode == 0, "\(finished)")
            #expect(try await rig.onSource("SELECT count(*) > 0 FROM by_index") == "t")
            try await rig.receive("--drop-slot").checked("receive")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
        }
    }

    private func expectRemarks(_ log: String) {
        let remarks = log.split(separator: "\n").map(String.init)
        func remark(_ table: String) -> String { remarks.first { $0.contains(table) } ?? "" }
        #expect(remark("\"keyless\"").contains("ALTER TABLE \"public\".\"keyless\" REPLICA IDENTITY FULL;"))
        #expect(remark("\"late_key\"").contains("ALTER TABLE \"public\".\"late_key\" REPLICA IDENTITY FULL;"))
        #expect(
            remark("\"No \"\"thing\"").contains("ALTER TABLE \"public\".\"No \"\"thing\" REPLICA IDENTITY DEFAULT;"))
        #expect(remark("\"lost_index\"").contains("REPLICA IDENTITY FULL;"))
        #expect(remark("\"child\"").contains("REPLICA IDENTITY FULL;"))
        #expect(remark("\"mixed_keyless\"").contains("REPLICA IDENTITY FULL;"))
        #expect(remark("\"fleeting\"").contains("ALTER TABLE \"public\".\"fleeting\" SET LOGGED;"))
        #expect(remark("\"member\"").contains("extension \"hstore\""))
        #expect(remark("\"elsewhere\"").contains("foreign"))
        for whole in ["\"keyed\"", "\"whole\"", "\"derived\"", "\"by_index\"", "\"parts", "\"mixed_whole\""] {
            #expect(remark(whole) == "", "\(whole) is published whole")
        }
    }

    @Test func whatIsPublishedArrivesAndWhatIsNotIsNamed() async throws {
        try await Rig.run(Self.schema, publication: nil) { rig in
            try await rig.onSource(
                Self.tables.map { table in
                    """
                    INSERT INTO \(table) (id, v) SELECT g, g FROM generate_series(1, 15) g;
                    UPDATE \(table) SET v = 100 WHERE id = 3; DELETE FROM \(table) WHERE id IN (4, 12);

                    """
                }.joined())
            // A partition that is made later, under a root with a primary key.
            try await rig.onBoth("CREATE TABLE parts_2_b PARTITION OF parts_2 FOR VALUES FROM (20) TO (30)")
            try await rig.onSource("INSERT INTO parts VALUES (25, 0); UPDATE parts SET v = 1 WHERE id = 25")
            try await rig.capture()
            let log = try await rig.receive("--endpos", "current").checked("receive").stderr
            #expect(log.contains("UPDATEs and DELETEs of 6 tables are not replicated"), "\(log)")
            try await rig.apply()
            for table in ["keyed", "whole", "derived", "by_index", "parts", "mixed_whole"] {
                let rows = "SELECT string_agg(r::text, ',' ORDER BY r::text) FROM ONLY \(table) r"
                let all = table == "parts" ? rows.replacing("ONLY ", with: "") : rows
                #expect(try await rig.onTarget(all) == rig.onSource(all), "\(table)")
            }
            for table in ["late_key", "keyless", "\"No \"\"thing\"", "lost_index", "child"] {
                let found = try await rig.onTarget("SELECT count(*), sum(v) FROM \(table)")
                #expect(found == "15|120", "every INSERT of \(table), and no UPDATE or DELETE")
            }
            #expect(try await rig.onTarget("SELECT count(*) FROM mixed_keyless") == "6")
            #expect(try await rig.onTarget("SELECT (SELECT count(*) FROM fleeting), count(*) FROM member") == "0|0")
            try await rig.onSource("TRUNCATE keyless")
            try await rig.catchUp()
            #expect(try await rig.onTarget("SELECT count(*) FROM keyless") == "0")
        }
    }

    @Test func onlyWhatReceiveMadeIsDropped() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", publication: nil, createsSlot: false) { rig in
            // Without a publication nothing is begun.
            let refused = try await rig.receive("-q", "--endpos", "current")
            expectRefusal(refused, .slotMissing, "receive", rig.name)
            try await rig.onSource("CREATE PUBLICATION \(rig.name) FOR TABLE t")
            try await rig.receive("--create-slot").checked("receive")
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.catchUp()
            try await rig.expectEqual()
            try await rig.receive("--drop-slot").checked("receive")
            #expect(try await rig.onSource("SELECT string_agg(pubname, ',') FROM pg_publication") == rig.name)
            try await rig.onSource("DROP PUBLICATION \(rig.name)")

            try await rig.onSource("SELECT pg_create_logical_replication_slot('\(rig.name)', 'pgoutput')")
            let late = try await rig.receive("-q", "--create-slot", "--if-not-exists")
            expectRefusal(late, .unsuitableServer, "receive", "no publication \"\(rig.name)\"", "--create-slot")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
            try await rig.receive("--drop-slot").checked("receive")
        }
    }

    @Test func aRoleWithoutThePrivilegeIsToldWhatIsMissing() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", publication: nil, createsSlot: false) { rig in
            let role = "\(rig.name)_role"
            try await rig.onSource("CREATE ROLE \(role) LOGIN REPLICATION")
            let string = rig.source.connectionString(database: rig.sourceDatabase, user: role)
            let refused = try await Program.run(
                "receive", ["-q", "--source", string, "--slot", rig.name, "--create-slot"])
            expectRefusal(
                refused, .privilege, "receive", "GRANT CREATE ON DATABASE \"\(rig.sourceDatabase)\" TO \"\(role)\"",
                "own")
            #expect(
                try await rig.onSource("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
                    == "0")
            try await rig.onSource("DROP ROLE \(role)")
        }
    }
}
