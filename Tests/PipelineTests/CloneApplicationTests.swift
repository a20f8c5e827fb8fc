import Glibc
import TestSupport
import Testing

/// What the source's application notices of a migration: nothing.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneApplicationTests {
    /// Tables of every sort, also those that cannot be followed whole.
    private static let schema = """
        CREATE SCHEMA app;
        CREATE TABLE app.keyed (id int PRIMARY KEY, v text); INSERT INTO app.keyed SELECT i, 'v' FROM generate_series(1, 500) i;
        CREATE TABLE app.keyless (id int, v text); INSERT INTO app.keyless SELECT i, 'v' FROM generate_series(1, 500) i;
        CREATE TABLE app.nothing (id int PRIMARY KEY, v text); INSERT INTO app.nothing SELECT * FROM app.keyless;
        ALTER TABLE app.nothing REPLICA IDENTITY NOTHING;
        CREATE TABLE app.late (id int PRIMARY KEY DEFERRABLE, v text); INSERT INTO app.late SELECT * FROM app.keyless;
        CREATE UNLOGGED TABLE app.cache (id int PRIMARY KEY, v text); INSERT INTO app.cache SELECT * FROM app.keyless;
        CREATE TABLE app.parts (id int, v text) PARTITION BY RANGE (id);
        CREATE TABLE app.parts_1 PARTITION OF app.parts FOR VALUES FROM (1) TO (251);
        CREATE TABLE app.parts_2 PARTITION OF app.parts FOR VALUES FROM (251) TO (100000);
        ALTER TABLE app.parts_1 ADD PRIMARY KEY (id); INSERT INTO app.parts SELECT * FROM app.keyless;
        CREATE TABLE app.parent (id int PRIMARY KEY); CREATE TABLE app.child () INHERITS (app.parent);
        INSERT INTO app.parent SELECT generate_series(1, 500); INSERT INTO app.child SELECT generate_series(501, 600);
        CREATE SEQUENCE app.numbers; SELECT pg_catalog.lo_from_bytea(0, 'large');

        """

    /// Each statement is a transaction of its own, so that the sessions cannot hold up one another.
    private static let statements = """
        \\set id random(1, 500)
        UPDATE app.keyed SET v = 'w' || :id WHERE id = :id;
        UPDATE app.keyless SET v = 'w' || :id WHERE id = :id;
        DELETE FROM app.keyless WHERE id = :id; INSERT INTO app.keyless VALUES (:id, 'again');
        UPDATE app.nothing SET v = 'w' WHERE id = :id;
        UPDATE app.late SET v = 'w' WHERE id = :id;
        UPDATE app.cache SET v = 'w' WHERE id = :id;
        UPDATE app.parts SET v = 'w' WHERE id = :id;
        DELETE FROM app.parent WHERE id = :id; INSERT INTO app.child VALUES (:id);
        SELECT nextval('app.numbers'), pg_logical_emit_message(true, 'app', 'hello');
        CREATE TEMP TABLE IF NOT EXISTS mine (v int); INSERT INTO mine VALUES (1); TRUNCATE mine;

        """

    @Test func noStatementOfTheApplicationFails() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.schema)
            try rig.folder.write("app.sql", Self.statements)
            // A statement that waits for a lock for long has failed too.
            let application = try rig.start(
                """
                export PGOPTIONS='-c lock_timeout=10000'
                exec pgbench -n -c 3 -j 1 -T 36000 -R 60 -f app.sql "$SOURCE"
                """)
            func go(_ name: String, _ arguments: String) async throws {
                _ = try await rig.shell(rig.cloneCommand(arguments))
                #expect(
                    application.isRunning && !application.stderr.contains("ERROR"), "\(name): \(application.stderr)")
            }
            try await go("check", "check")
            // A copy that dies, one that is stopped, one that is followed; a stage that dies.
            let first = try await rig.clone("--follow", failpoint: "after-table:3")
            #expect(first.signal == SIGKILL)
            #expect(try await rig.clone("--follow", failpoint: "after-indexes").signal == SIGKILL)
            let follower = try await rig.startFollower()
            kill(try #require(try await rig.stage("receive", of: follower)), SIGKILL)
            try await follower.awaitLog(containing: "starting again in")
            try await go("status", "switchover --dry-run")
            try await go("compare", "compare data")
            let seen = "SELECT last_value > 100 FROM app.numbers"
            try await rig.source.awaitSQL(seen, equals: "t", database: rig.sourceDatabase)
            #expect(application.isRunning && !application.stderr.contains("ERROR"), "\(application.stderr)")
            application.killGroup()
            _ = try await application.wait()

            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            // What was not followed whole was said so, and everything else is equal.
            for table in ["keyless", "nothing", "late", "cache", "parts_2", "child"] {
                #expect(first.stderr.contains("\"\(table)\""), "\(table): \(first.stderr)")
            }
            let differing = try await rig.differences().filter { difference in
                !["keyless", "nothing", "late", "cache", "parts_2", "child"].contains {
                    difference.hasPrefix("app.\($0):")
                }
            }
            #expect(differing == [])
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            // It can continue where it was, too.
            try await rig.shell("pgbench -n -t 3 -f app.sql \"$SOURCE\"").checked(
                "pgbench")
            try await rig.expectCleanedUp()
        }
    }

    @Test func theSourceMayRemoveOldRowsWhileIndexesAreMade() async throws {
        try await Rig.runClone { rig in
            // Other tests' clones hold snapshots on the same server.
            let sessions =
                "FROM pg_stat_activity WHERE application_name ~ '^walrelay' AND backend_xmin IS NOT NULL"
                + " AND datname = current_database()"
            let xmin = "backend_xmin::text::bigint"
            try rig.wrap(
                "pg_restore",
                """
                ask() { psql -XAtd "$SOURCE" -c "$1"; }
                case "$*" in
                  *pre-data*) ask "SELECT min(\(xmin)) \(sessions)" >"$FOLDER/xmin"; ask 'SELECT txid_current()' ;;
                  *use-list*post-data*)
                    # A session that asks something at this moment is none that holds what it sees.
                    for i in {1..100}; do
                      ask "SELECT count(*) \(sessions) AND \(xmin) <= $(cat "$FOLDER/xmin")" >"$FOLDER/held"
                      [ "$(cat "$FOLDER/held")" != 0 ] || break
                      sleep 0.1
                    done ;;
                esac >&2
                """)
            try await rig.clone("--follow --endpos current").checked("clone")
            // While rows are copied there is a horizon, and then it is gone.
            #expect(Int(String(decoding: try rig.folder.read("xmin").dropLast(), as: UTF8.self)) ?? 0 > 0)
            #expect(String(decoding: try rig.folder.read("held"), as: UTF8.self) == "0\n")
        }
    }
}
