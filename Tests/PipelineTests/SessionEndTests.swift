import Observability
import TestSupport
import Testing

/// The servers end sessions of ours, one after the other: an administrator may, or a time-out that only a superuser sets.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SessionEndTests {
    private static let rounds = 8

    /// For each round tables that the stream has not shown yet, so that the round must read the catalog about them.
    private static func tables(_ round: Int) -> String {
        """
        CREATE TABLE parent_\(round) (id int PRIMARY KEY, v text);
        CREATE TABLE child_\(round) (PRIMARY KEY (id)) INHERITS (parent_\(round));
        CREATE TABLE parts_\(round) (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE parts_\(round)_1 PARTITION OF parts_\(round) FOR VALUES FROM (1) TO (50);
        CREATE TABLE keyless_\(round) (id int, n numeric, v text);
        CREATE UNIQUE INDEX keyless_\(round)_id ON keyless_\(round) (id); ALTER TABLE keyless_\(round) ALTER id SET NOT NULL;
        ALTER TABLE keyless_\(round) REPLICA IDENTITY FULL;
        INSERT INTO parent_\(round) VALUES (1, 'p'); INSERT INTO child_\(round) VALUES (2, 'c');
        INSERT INTO keyless_\(round) SELECT g, 1.0, 'k' FROM generate_series(1, 5) g;

        """
    }

    private static func changes(_ round: Int) -> String {
        """
        INSERT INTO parent_\(round) VALUES (3, 'p'); INSERT INTO child_\(round) VALUES (4, 'c');
        TRUNCATE ONLY parent_\(round); UPDATE child_\(round) SET v = 'after';
        INSERT INTO parent_\(round) VALUES (2, 'same key as the child'); UPDATE ONLY parent_\(round) SET v = 'parent';
        CREATE TABLE parts_\(round)_2 PARTITION OF parts_\(round) FOR VALUES FROM (50) TO (100);
        INSERT INTO parts_\(round) SELECT g, 'x' FROM generate_series(40, 60) g; TRUNCATE ONLY parts_\(round)_1;
        UPDATE keyless_\(round) SET n = 1.00 WHERE id = 1; DELETE FROM keyless_\(round) WHERE id = 2;
        ALTER TABLE keyless_\(round) REPLICA IDENTITY USING INDEX keyless_\(round)_id;
        UPDATE keyless_\(round) SET v = 'by index' WHERE id > 2; DELETE FROM keyless_\(round) WHERE id = 5;

        """
    }

    /// The sessions of ours with a database, oldest first.
    private func sessions(_ cluster: Cluster, _ database: String) async throws -> [(pid: String, name: String)] {
        try await cluster.sqlLines(
            """
            SELECT pid, application_name || ' ' || backend_type FROM pg_stat_activity
             WHERE datname = '\(database)' AND application_name LIKE 'walrelay%' ORDER BY backend_start, pid
            """
        ).compactMap { line in
            let parts = line.split(separator: "|", maxSplits: 1).map(String.init)
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(2))
    func aFollowerOutlivesEachOfItsSessions(_ major: Int) async throws {
        try await Rig.run(targetMajor: major, publication: nil, createsSlot: false) { rig in
            try await rig.onSource((0..<Self.rounds).map(Self.tables).joined())
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            var ended: [String: Int] = [:]
            for round in 0..<Self.rounds {
                // Definitions are not followed.
                try await rig.onTarget(
                    """
                    CREATE TABLE parts_\(round)_2 PARTITION OF parts_\(round) FOR VALUES FROM (50) TO (100);
                    ALTER TABLE keyless_\(round) REPLICA IDENTITY USING INDEX keyless_\(round)_id;
                    """)
                // The next one of all sessions on both servers, whichever there are by now.
                var all: [(cluster: Cluster, pid: String, name: String)] = []
                for (cluster, database, side) in [
                    (rig.source, rig.sourceDatabase, "source"), (rig.target, rig.targetDatabase, "target"),
                ] {
                    all += try await sessions(cluster, database).map { (cluster, $0.pid, "\(side): \($0.name)") }
                }
                let victim = try #require(all.min { ended[$0.name, default: 0] < ended[$1.name, default: 0] })
                ended[victim.name, default: 0] += 1
                try await victim.cluster.sql("SELECT pg_terminate_backend(\(victim.pid))")
                try await rig.onSource(Self.changes(round))
                try await rig.target.awaitSQL(
                    "SELECT count(*) FROM keyless_\(round) WHERE v = 'by index'", equals: "2",
                    database: rig.targetDatabase, within: .seconds(60))
                #expect(follower.isRunning, "\(victim.name): \(follower.stderr)")
            }
            // All kinds were among them.
            for kind in [
                "source: walrelay receive walsender", "source: walrelay receive client", "target: walrelay replay",
            ] {
                #expect(ended.keys.contains { $0.hasPrefix(kind) }, "\(kind) is not in \(ended)")
            }
            try await rig.shell(rig.cloneCommand("switchover --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    /// The copy waits for a table's lock, a session ends, and the lock goes.
    @Test(arguments: ["--follow", ""])
    func aCopySaysWhatEndedAndIsResumed(_ follow: String) async throws {
        for number in 0..<5 {
            var isLast = false
            try await Rig.run(publication: nil, createsSlot: false) { rig in
                try await rig.onSource(
                    (0..<3).map(Self.tables).joined()
                        + "CREATE TABLE held (id int PRIMARY KEY); INSERT INTO held VALUES (1);")
                let copy = try rig.startClone(follow)
                // Before that, the lock would hold up the slot. Now it comes before pg_dump or right behind it.
                try await copy.awaitLog(containing: "clone: definitions")
                let locker = try rig.start(
                    "exec psql -Xqd \"$SOURCE\" -c 'BEGIN; LOCK TABLE held' -c 'SELECT pg_sleep(60)'")
                try await rig.source.awaitSQL(
                    """
                    SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
                       AND application_name = 'walrelay clone' AND datname = '\(rig.sourceDatabase)'
                    """, equals: "t")
                var all: [(cluster: Cluster, pid: String, name: String)] = []
                for (cluster, database) in [(rig.source, rig.sourceDatabase), (rig.target, rig.targetDatabase)] {
                    all += try await sessions(cluster, database).map { (cluster, $0.pid, $0.name) }
                }
                guard number < all.count else {
                    copy.killGroup()
                    locker.killGroup()
                    isLast = true
                    return
                }
                let victim = all[number]
                try await victim.cluster.sql("SELECT pg_terminate_backend(\(victim.pid))")
                locker.killGroup()
                _ = try await rig.onSource(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid() "
                        + "AND datname = current_database()"
                )
                if follow.isEmpty {
                    let first = try await copy.wait()
                    if first.exitCode != 0 {
                        #expect(
                            first.stderr.contains("connection") || first.stderr.contains("snapshot is gone"),
                            "\(victim.name): \(first)")
                        try await rig.clone().checked("clone")
                    }
                } else {
                    let outcome = try await self.outcome(copy)
                    if let outcome {
                        #expect(outcome.exitCode != 0, "\(outcome)")
                        #expect(
                            outcome.stderr.contains("connection") || outcome.stderr.contains("snapshot is gone"),
                            "\(victim.name): \(outcome)")
                    }
                    let follower = outcome == nil ? copy : try rig.startClone(follow)
                    try await follower.awaitLog(containing: "following the source's changes")
                    try await rig.onSource("INSERT INTO child_1 VALUES (77, 'late'); TRUNCATE ONLY parent_1")
                    try await rig.shell(rig.cloneCommand("switchover --compare")).checked("switchover")
                    #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
                }
                try await rig.expectEqual()
            }
            if isLast { break }
        }
    }

    /// How a copy ended; nil when it did not end, and follows.
    private func outcome(_ copy: RunningProgram) async throws -> Finished? {
        while copy.isRunning {
            if copy.stderr.contains("following the source's changes") { return nil }
            try await Task.sleep(for: .milliseconds(50))
        }
        return try await copy.wait()
    }
}
