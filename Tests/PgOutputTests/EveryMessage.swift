import TestSupport

/// Has a real server decode every kind of message that pgoutput sends for whole transactions.
enum EveryMessage {
    /// The tables, in a new database with its own slot and publication.
    private static let layout = """
        CREATE TABLE plain (id int PRIMARY KEY, v text, big text);
        ALTER TABLE plain ALTER COLUMN big SET STORAGE EXTERNAL;
        CREATE TABLE whole (id int, amount numeric(8,2));
        ALTER TABLE whole REPLICA IDENTITY FULL;
        CREATE TABLE anonymous (note text);
        ALTER TABLE anonymous REPLICA IDENTITY NOTHING;
        CREATE TABLE "by index" (id serial, code varchar(9) NOT NULL UNIQUE);
        ALTER TABLE "by index" REPLICA IDENTITY USING INDEX "by index_code_key";
        CREATE TYPE mood AS ENUM ('fine', 'grand');
        CREATE TABLE feelings (id int PRIMARY KEY, mood mood);
        CREATE PUBLICATION everything FOR ALL TABLES;
        """

    /// One transaction a line, except that BEGIN and COMMIT make several lines one.
    private static let changes = """
        INSERT INTO plain VALUES (1, 'it''s', repeat('x', 2100)), (2, NULL, ''), (3, E'tab\\t\\\\ \\n🚚', 'short');
        BEGIN;
        UPDATE plain SET v = 'new' WHERE id = 1;
        UPDATE plain SET id = 20 WHERE id = 2;
        DELETE FROM plain WHERE id = 3;
        COMMIT;
        BEGIN;
        INSERT INTO whole VALUES (1, 1.50), (1, NULL);
        UPDATE whole SET amount = 2 WHERE amount IS NULL;
        DELETE FROM whole WHERE amount = 1.5;
        COMMIT;
        INSERT INTO anonymous VALUES ('nobody');
        BEGIN;
        INSERT INTO "by index" (code) VALUES ('a'), ('b');
        UPDATE "by index" SET code = 'c' WHERE code = 'a';
        DELETE FROM "by index" WHERE code = 'b';
        COMMIT;
        INSERT INTO feelings VALUES (1, 'grand');
        TRUNCATE whole;
        TRUNCATE plain, feelings CASCADE;
        TRUNCATE "by index", whole RESTART IDENTITY CASCADE;
        BEGIN;
        SELECT pg_logical_emit_message(true, 'inside', 'a line');
        COMMIT;
        SELECT pg_logical_emit_message(false, 'outside', '\\x00ff27'::bytea);
        SELECT pg_replication_origin_session_setup(current_database());
        BEGIN;
        SELECT pg_replication_origin_xact_setup('0/ABCDEF', '2026-01-02 03:04:05.678901+00');
        INSERT INTO anonymous VALUES ('from elsewhere');
        COMMIT;
        SELECT pg_replication_origin_session_reset();
        """

    /// The messages as the server made them, in order.
    static func capture() async throws -> [[UInt8]] {
        let cluster = try await Cluster.shared(.source)
        let database = try await cluster.createDatabase(prefix: "messages")
        let slot = "SELECT pg_create_logical_replication_slot('\(database)', 'pgoutput')"
        let origin = "SELECT pg_replication_origin_create('\(database)')"
        let read = """
            SELECT encode(data, 'hex') FROM pg_logical_slot_peek_binary_changes('\(database)', NULL, NULL,
                'proto_version', '1', 'publication_names', 'everything', 'messages', 'true')
            """
        do {
            try await cluster.sql(layout, database: database)
            try await cluster.sql("\(slot); \(origin)", database: database)
            try await cluster.sql(changes, database: database)
            let lines = try await cluster.sqlLines(read, database: database)
            try await cluster.sql("SELECT pg_replication_origin_drop('\(database)')", database: database)
            try await cluster.dropDatabase(database)
            return lines.map(Hex.bytes)
        } catch {
            try? await cluster.sql("SELECT pg_replication_origin_drop('\(database)')", database: database)
            try? await cluster.dropDatabase(database)
            throw error
        }
    }
}
