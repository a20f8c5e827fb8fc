import TestSupport

/// Concurrent writers on a rig's source: pgbench's own transactions, and random ones on a ledger without any key, in
/// which a row that is lost or doubled shows.
enum Load {
    private static let ledger = """
        CREATE TABLE ledger (account int, amount int, note text);
        CREATE INDEX ON ledger (account);
        ALTER TABLE ledger REPLICA IDENTITY FULL;
        ALTER TABLE pgbench_history REPLICA IDENTITY FULL;
        """

    /// Equal rows are wanted: few accounts, few amounts.
    private static let script = """
        \\set account random(1, 200)
        \\set amount random(1, 3)
        \\set kind random(1, 10)
        BEGIN;
        INSERT INTO ledger VALUES (:account, :amount, 'note ' || :amount), (:account, :amount, NULL);
        \\if :kind <= 3
        UPDATE ledger SET amount = amount + 1
         WHERE ctid = (SELECT ctid FROM ledger WHERE account = :account LIMIT 1 FOR UPDATE SKIP LOCKED);
        \\elif :kind <= 6
        DELETE FROM ledger
         WHERE ctid = (SELECT ctid FROM ledger WHERE account = :account LIMIT 1 FOR UPDATE SKIP LOCKED);
        \\elif :kind = 7
        SAVEPOINT a;
        INSERT INTO ledger VALUES (:account, 99, 'rolled back');
        ROLLBACK TO a;
        \\endif
        COMMIT;

        """

    /// Makes pgbench's tables and the ledger on the source.
    static func prepare(_ rig: Rig) async throws {
        try await rig.shell("pgbench -iq -s 1 \"$SOURCE\"").checked("pgbench -i")
        try await rig.onSource(ledger)
    }

    /// Starts the writers.
    ///
    /// - Parameter rate: transactions a second at most.
    static func start(_ rig: Rig, seconds: Int, rate: Int = 500, seed: Int = 7) throws -> RunningProgram {
        try rig.folder.write("ledger.sql", script)
        return try rig.start(
            """
            exec pgbench -n -c 8 -j 2 -T \(seconds) -R \(rate) \
            --random-seed=\(seed) -b tpcb-like@2 -f ledger.sql@1 "$SOURCE"
            """)
    }

    /// Starts writers that come back when the source does, and continue until SIGTERM.
    static func startThatComesBack(_ rig: Rig, seed: Int, turns: Bool = false) throws -> RunningProgram {
        try rig.folder.write("ledger.sql", script)
        try rig.folder.write("swap.sql", swap)
        try rig.folder.write("turn.sql", turn)
        return try rig.start(
            """
            trap 'kill $writers; wait $writers; exit 0' TERM
            while :; do
              pgbench -n -c 4 -j 1 -T 36000 -R 120 --random-seed=\(seed) \
                -b tpcb-like@2 -f ledger.sql@1 \(turns ? "-f swap.sql@1 -f turn.sql@2" : "") "$SOURCE" >/dev/null 2>&1 &
              writers=$!
              wait $writers
              sleep 0.5
            done
            """)
    }

    /// Rows in pairs, for transactions after which the two have each other's value of a second unique constraint.
    private static let pairs = """
        CREATE TABLE pairs (id int PRIMARY KEY, code int UNIQUE);
        INSERT INTO pairs SELECT i, i FROM generate_series(0, 99) i;
        """
    private static let swap = """
        \\set left random(0, 49) * 2
        BEGIN;
        UPDATE pairs SET code = -1 - id WHERE id = :left;
        UPDATE pairs SET code = 2 * :left + 1 - code WHERE id = :left + 1;
        UPDATE pairs SET code = (SELECT 2 * :left + 1 - code FROM pairs WHERE id = :left + 1) WHERE id = :left;
        COMMIT;

        """

    /// Makes the table for swaps on the source.
    static func preparePairs(_ rig: Rig) async throws { try await rig.onSource(pairs) }

    /// Rows whose value only grows, and a trigger that runs on the target, too, and notes where it did not.
    private static let turns = """
        CREATE TABLE turns (id int PRIMARY KEY, turn int NOT NULL);
        INSERT INTO turns SELECT i, 0 FROM generate_series(1, 20) i;
        CREATE TABLE disorder (id int, old int, new int, PRIMARY KEY (id, old, new));
        CREATE FUNCTION note_disorder() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN
          IF NEW.turn <= OLD.turn THEN INSERT INTO public.disorder VALUES (OLD.id, OLD.turn, NEW.turn) ON CONFLICT DO NOTHING; END IF;
          RETURN NEW;
        END $f$;
        CREATE TRIGGER ordered BEFORE UPDATE ON turns FOR EACH ROW EXECUTE FUNCTION note_disorder();
        ALTER TABLE turns ENABLE ALWAYS TRIGGER ordered;
        """
    private static let turn = """
        \\set id random(1, 20)
        UPDATE turns SET turn = turn + 1 WHERE id = :id;

        """

    /// Makes the table whose order is watched on the source.
    static func prepareTurns(_ rig: Rig) async throws { try await rig.onSource(turns) }

    /// Starts writers on all tables, with swaps if wanted, that continue until they are stopped.
    static func startWithTurns(_ rig: Rig, seed: Int, swaps: Bool) throws -> RunningProgram {
        try rig.folder.write("ledger.sql", script)
        try rig.folder.write("swap.sql", swap)
        try rig.folder.write("turn.sql", turn)
        return try rig.start(
            """
            exec pgbench -n -c 4 -j 1 -T 36000 -R 200 --random-seed=\(seed) \
            -b tpcb-like@40 -f ledger.sql@40 -f turn.sql@20 \(swaps ? "-f swap.sql@5" : "") "$SOURCE"
            """)
    }

    /// Starts writers that continue until they are stopped, with a swap now and then.
    static func startWithSwaps(_ rig: Rig, seed: Int) throws -> RunningProgram {
        try rig.folder.write("ledger.sql", script)
        try rig.folder.write("swap.sql", swap)
        return try rig.start(
            """
            exec pgbench -n -c 4 -j 1 -T 36000 -R 200 --random-seed=\(seed) \
            -b tpcb-like@50 -f ledger.sql@45 -f swap.sql@5 "$SOURCE"
            """)
    }

    /// Large enough to be streamed while in progress and to fill several chunks, with parts that are rolled back.
    private static let large = """
        \\set tag random(1000, 1000000)
        BEGIN;
        INSERT INTO ledger SELECT 1000 + i, :tag, md5(random()::text) || repeat('x', 100) FROM generate_series(1, 4000) i;
        SAVEPOINT a;
        INSERT INTO ledger SELECT 1000 + i, :tag, 'rolled back' FROM generate_series(1, 1000) i;
        ROLLBACK TO a;
        INSERT INTO ledger SELECT 1000 + i, 0, md5(i::text) FROM generate_series(1, 500) i;
        COMMIT;
        DELETE FROM ledger WHERE account > 1000 AND amount = :tag;

        """

    /// Starts writers that continue until they are stopped, with a large transaction now and then.
    static func startWithLargeTransactions(_ rig: Rig, seed: Int) throws -> RunningProgram {
        try rig.folder.write("ledger.sql", script)
        try rig.folder.write("large.sql", large)
        try rig.folder.write("turn.sql", turn)
        return try rig.start(
            """
            exec pgbench -n -c 4 -j 1 -T 36000 -R 60 --random-seed=\(seed) \
            -b tpcb-like@60 -f ledger.sql@40 -f large.sql@2 -f turn.sql@20 "$SOURCE"
            """)
    }
}
