import Apply
import Batches
import Postgres
import TestSupport
import Testing

/// What a target's position is a position of, and what version 0.1 left of one.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct IdentityTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY)"
    private static let rows = "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM t"

    private func insert(_ id: Int) -> String { "INSERT INTO \"public\".\"t\" (\"id\") VALUES (\(id)); -- rows:1" }

    /// One batch from `from` to `to`, which makes a row.
    private func text(
        _ target: Target, stream: String? = nil, system: String = "7", _ from: Int, _ to: Int, row: Int,
        log: String? = "first", timeline: Int = 1, fork: Int? = nil
    ) -> String {
        var text = BatchText(
            stream: stream ?? target.stream, system: system, from: from, logID: log, timeline: timeline, fork: fork)
        text.batch(from, to, insert(row))
        text.end(to)
        return text.text
    }

    @Test func anotherSourceOrLogIsRefused() async throws {
        try await Target.run(Self.schema) { target in
            #expect(try await target.apply(text(target, 100, 200, row: 1)).error == nil)
            let foreign = try await target.apply(text(target, system: "8", 200, 300, row: 2))
            #expect(foreign.error?.code == .foreignStream)
            #expect(
                foreign.error?.message.contains("of system 7, and the changes are of database \"app\" of system 8")
                    == true)
            for log in ["second", nil] {
                let other = try await target.apply(text(target, 200, 300, row: 2, log: log))
                #expect(other.error?.code == .foreignStream)
                #expect(other.error?.message.contains("--accept-log \(log ?? "none")") == true)
            }
            #expect(try await target.sql(Self.rows) == "1")

            // As advised, once; after that the other log is the one.
            let accepted = try await target.apply(
                text(target, 200, 300, row: 2, log: "second"), options: ApplyOptions(acceptedLog: "second"))
            #expect(accepted.error == nil)
            #expect(try await target.apply(text(target, 300, 400, row: 3, log: "second")).error == nil)
            #expect(try await target.apply(text(target, 400, 500, row: 4)).error?.code == .foreignStream)
            #expect(try await target.sql(Self.rows) == "1,2,3")
        }
    }

    @Test func aTimelineIsFollowedUpToItsFork() async throws {
        try await Target.run(Self.schema) { target in
            #expect(try await target.apply(text(target, 100, 200, row: 1)).error == nil)
            let parted = try await target.apply(text(target, 200, 300, row: 2, timeline: 2, fork: 150))
            #expect(parted.error?.code == .foreignStream)
            #expect(parted.error?.message.contains("is at 0/C8 on timeline 1") == true)
            #expect(parted.error?.message.contains("branched off before, at 0/96") == true)
            let unknown = try await target.apply(text(target, 200, 300, row: 2, timeline: 3))
            #expect(unknown.error?.code == .foreignStream)
            #expect(try await target.apply(text(target, 200, 300, row: 2, timeline: 2, fork: 200)).error == nil)
            #expect(try await target.sql("SELECT timeline FROM walrelay.progress") == "2")

            // What the old server wrote later is not part of the target's history; what it wrote before is there.
            let left = try await target.apply(text(target, 300, 400, row: 3))
            #expect(left.error?.code == .foreignStream)
            #expect(try await target.apply(text(target, 100, 200, row: 1)).outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(try await target.sql(Self.rows) == "1,2")
        }
    }

    @Test func aTimelineMayChangeInTheMiddle() async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream, logID: "first")
            text.batch(100, 200, insert(1))
            text.preamble(from: 200, timeline: 2, fork: 250)
            text.batch(200, 300, insert(2))
            text.end(300)
            let once = try await target.apply(text.text)
            #expect(once.outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(try await target.sql("SELECT timeline FROM walrelay.progress") == "2")

            // Again from its beginning.
            #expect(try await target.apply(text.text).outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(try await target.sql(Self.rows) == "1,2")

            text = BatchText(stream: target.stream, from: 300, logID: "first", timeline: 2, fork: 250)
            text.batch(300, 400, insert(3))
            text.preamble(from: 400, timeline: 3, fork: 350)
            text.batch(400, 500, insert(4))
            text.end(500)
            #expect(try await target.apply(text.text).error?.code == .foreignStream)
            #expect(try await target.sql(Self.rows) == "1,2,3")
        }
    }

    @Test func anOriginOfVersion01IsTakenOverOnce() async throws {
        try await Target.run(Self.schema) { target in
            // Origins are shared by all databases of a server.
            let stream = "old_\(target.database)"
            let origins = "SELECT count(*) FROM pg_replication_origin WHERE roname ~ '^\(stream)'"
            try await target.sql(
                """
                SELECT pg_replication_origin_create('\(stream)'), pg_replication_origin_advance('\(stream)', '0/C8');
                INSERT INTO t VALUES (1)
                """)
            var text = BatchText(stream: stream, logID: "first")
            text.batch(100, 200, insert(1))
            text.batch(200, 300, insert(2))
            text.end(300)
            let taken = try await target.apply(text.text)
            #expect(taken.outcome == .reachedEnd(BatchText.lsn(300)), "\(taken)")
            #expect(taken.statistics.batchesSkipped == 1)
            #expect(try await target.sql(origins) == "0")
            #expect(try await target.apply(text.text).statistics.batchesSkipped == 2)
            #expect(try await target.sql(Self.rows) == "1,2")
        }
    }

    @Test func lanesOfVersion01AreTakenOverToo() async throws {
        try await Target.run(Self.schema) { target in
            let stream = "old_\(target.database)"
            try await target.sql(
                """
                SELECT pg_replication_origin_create('\(stream)'), pg_replication_origin_advance('\(stream)', '0/C8');
                SELECT pg_replication_origin_create('\(stream)_lane_1_of_2'),
                  pg_replication_origin_advance('\(stream)_lane_1_of_2', '0/12C');
                SELECT pg_replication_origin_create('\(stream)_lane_1_of_3'),
                  pg_replication_origin_advance('\(stream)_lane_1_of_3', '0/64')
                """)
            // A part of what follows is there: without the log nothing may be applied.
            let refused = try await target.apply(text(target, stream: stream, 200, 300, row: 2))
            #expect(refused.error?.code == .straddling, "\(refused)")
            #expect(
                try await target.sql(
                    "SELECT string_agg(concat(lane, '/', lanes, ' ', position), ', ' ORDER BY lane) FROM walrelay.progress"
                )
                    == "0/1 0/C8, 1/2 0/12C")
            #expect(
                try await target.sql("SELECT count(*) FROM pg_replication_origin WHERE roname ~ '^\(stream)'") == "0")
        }
    }

    @Test func theTableOfVersion01IsTakenOver() async throws {
        try await Target.run(Self.schema) { target in
            try await target.sql(
                """
                CREATE SCHEMA walrelay;
                CREATE TABLE walrelay.progress (origin text PRIMARY KEY, position pg_lsn NOT NULL,
                  committed_at timestamptz, moved_at timestamptz NOT NULL DEFAULT now());
                INSERT INTO walrelay.progress VALUES ('\(target.stream)', '0/C8', now()), ('other', '0/64', NULL);
                INSERT INTO t VALUES (1)
                """)
            var old = BatchText(stream: target.stream, logID: "first", timeline: 4)
            old.batch(100, 200, insert(1))
            old.batch(200, 300, insert(2))
            old.end(300)
            let taken = try await target.apply(old.text)
            #expect(taken.outcome == .reachedEnd(BatchText.lsn(300)), "\(taken)")
            #expect(taken.statistics.batchesSkipped == 1)
            #expect(
                try await target.sql(
                    "SELECT concat_ws(' ', source_system, log_id, timeline) FROM walrelay.progress "
                        + "WHERE stream = '\(target.stream)'") == "7 first 4")
            // The other one is that of whoever comes for it.
            let other = try await target.apply(text(target, stream: "other", system: "9", 100, 200, row: 3))
            #expect(other.error == nil, "\(other)")
            #expect(try await target.sql(Self.rows) == "1,2,3")
        }
    }

    @Test func aBatchThatEndsEverySessionComesToAnEnd() async throws {
        try await Target.run(Self.schema) { target in
            try await target.sql(
                """
                CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                  'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END';
                CREATE TRIGGER die BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION die();
                ALTER TABLE t ENABLE ALWAYS TRIGGER die
                """)
            var text = BatchText(stream: target.stream)
            text.batch(100, 200, insert(1))
            text.batch(200, 300, insert(2))
            text.end(300)
            let applied = try await target.apply(text.text, options: ApplyOptions(lossesMax: 3))
            #expect(applied.error?.code == .server, "\(applied)")
            #expect(applied.error?.message.contains("ended the session 4 times in a row") == true)
            #expect(applied.statistics.trouble?.contains("batch 0/C8 to 0/12C") == true)
            #expect(applied.statistics.reconnections == 3)
            #expect(try await target.position() == BatchText.lsn(200))
            try await target.sql("DROP TRIGGER die ON t")
            let again = try await target.apply(text.text)
            #expect(again.outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(again.statistics.trouble == nil)
            #expect(try await target.sql(Self.rows) == "1,2")
        }
    }

    /// Whatever a batch says, it is applied as a whole or not at all.
    @Test(arguments: [
        "commit;", "SELECT 1; Commit;", "end;", "UPDATE walrelay.progress SET position = '0/FFFF';",
        "DELETE FROM walrelay.progress;", "PREPARE TRANSACTION 'x';", "rollback; begin;",
        "UPDATE walrelay.progress SET log_id = 'x';", "SELECT 1;/**/commit;",
    ])
    func aBatchMayNotMoveThePositionOrEndItself(_ line: String) async throws {
        try await Target.run(Self.schema) { target in
            var text = BatchText(stream: target.stream, logID: "first")
            text.batch(100, 200, insert(1))
            text.batch(200, 300, insert(2), line, insert(3))
            text.end(300)
            let applied = try await target.apply(text.text)
            #expect([.malformedInput, .positionMoved].contains(applied.error?.code), "\(applied)")
            #expect(try await target.sql(Self.rows) == "1")
            #expect(try await target.position() == BatchText.lsn(200))
            #expect(try await target.sql("SELECT log_id FROM walrelay.progress") == "first")
        }
    }

    /// Text of version 0.1, whose own moves of an origin are left out.
    @Test func textOfFormat1IsApplied() async throws {
        try await Target.run(Self.schema) { target in
            let text = """
                -- walrelay preamble {"format":1,"origin":"\(target.stream)","encoding":"UTF8","system_identifier":"7",\
                "timeline":1,"database":"app","slot":"s","server_version":150000,"from":"0/64","order":"net","tool":"t"}
                SELECT pg_catalog.pg_replication_origin_session_setup('x');
                -- walrelay preamble end
                -- walrelay batch {"from":"0/64","to":"0/C8","transactions":1,"changes":1}
                BEGIN;
                SELECT CASE WHEN o.at IS NULL OR o.at = '0/64' THEN 1 ELSE CAST('x' AS pg_catalog.int4) END AS continues;
                SELECT pg_catalog.pg_replication_origin_xact_setup('0/C8', '2024-01-01 00:00:00+00');
                \(insert(1))
                COMMIT;
                -- walrelay commit {"to":"0/C8"}
                -- walrelay batch {"from":"0/C8","to":null,"commit":"0/F0","transactions":1}
                BEGIN;
                SELECT CASE WHEN o.at IS NULL OR o.at = '0/C8' THEN 1 ELSE CAST('x' AS pg_catalog.int4) END AS continues;
                \(insert(2))
                SELECT pg_catalog.txid_current();
                SELECT pg_catalog.pg_replication_origin_xact_setup('0/12C', '2024-01-01 00:00:00+00');
                COMMIT;
                -- walrelay commit {"to":"0/12C"}
                -- walrelay end {"to":"0/12C","reason":"test"}

                """
            let applied = try await target.apply(text)
            #expect(applied.outcome == .reachedEnd(BatchText.lsn(300)))
            #expect(try await target.sql(Self.rows) == "1,2")
            #expect(try await target.sql("SELECT count(*) FROM pg_replication_origin WHERE roname = 'x'") == "0")
        }
    }
}
