import Glibc
import Observability
import TestSupport
import Testing

/// A copy that was interrupted while rows were copied, and is resumed: tables of different moments become one.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneResumeTests {
    /// Changes that only fit together when each counts once, in tables that are copied and in tables that are not.
    private static func changes(_ round: Int) -> String {
        quietChanges(round) + """
            BEGIN; TRUNCATE m; INSERT INTO m SELECT i, date '2023-12-01' + i, 'r\(round)' FROM generate_series(1, 60) i; COMMIT;
            TRUNCATE parent, child; INSERT INTO parent VALUES (\(round)); INSERT INTO child VALUES (\(round), 'again');
            BEGIN; TRUNCATE owned CASCADE; INSERT INTO owner VALUES (\(round)) ON CONFLICT DO NOTHING;
            INSERT INTO owned VALUES (\(round), \(round)); COMMIT;

            """
    }

    /// Those that hide no row from an older snapshot.
    private static func quietChanges(_ round: Int) -> String {
        """
        BEGIN; INSERT INTO shop.people (name, n) SELECT 'round \(round) ' || i, i FROM generate_series(1, 20) i;
        INSERT INTO shop.teams (lead) SELECT max(id) FROM shop.people; UPDATE shop.people SET best = id WHERE id % 3 = 0;
        UPDATE shop.people SET team = (SELECT max(id) FROM shop.teams) WHERE id % 11 = \(round); COMMIT;
        DELETE FROM shop.people WHERE id > 2900 AND id % 17 = \(round) AND NOT EXISTS
          (SELECT FROM shop.teams WHERE lead = people.id);
        UPDATE "odd "" schema"."t a,b" SET "e,f" = 'r\(round)' WHERE "c ""d" = 2; INSERT INTO counted VALUES (\(round));
        UPDATE counted SET n = n + 1; INSERT INTO m VALUES (1000 + \(round), '2024-05-05', 'quiet');
        INSERT INTO owner VALUES (100 + \(round)); INSERT INTO owned VALUES (100 + \(round), 100 + \(round));

        """
    }

    private static let more = """
        CREATE TABLE counted (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO counted SELECT -g FROM generate_series(1, 500) g;
        CREATE TABLE owner (id int PRIMARY KEY); CREATE TABLE owned (id int PRIMARY KEY, o int REFERENCES owner);
        INSERT INTO owner SELECT -g FROM generate_series(1, 5000) g; INSERT INTO owned SELECT -g, -g FROM generate_series(1, 9) g;

        """

    @Test(arguments: ["after-table:1", "after-table:6", "after-snapshot"])
    func whatIsMissingIsCopiedOfALaterMoment(_ second: String) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            // Changes between a snapshot and the rows, too.
            for round in 1...2 { try rig.folder.write("round\(round)", Self.quietChanges(round + 3)) }
            try rig.wrap(
                "pg_restore",
                "case \"$*\" in --list*) echo >>\"$FOLDER/n\"; psql -Xqd \"$SOURCE\" <\"$FOLDER/round$(wc -l <\"$FOLDER/n\")\";; esac"
            )
            let arguments = "--follow --table-jobs 1"
            #expect(try await rig.clone(arguments, failpoint: "after-table:4").signal == SIGKILL)
            try await rig.onSource(Self.changes(1))
            #expect(try await rig.clone(arguments, failpoint: second).signal == SIGKILL)
            try await rig.onSource(Self.changes(2))
            try await rig.shell("rm -r first").checked()
            let last = try await rig.clone(arguments + " --endpos current").checked("clone")
            #expect(last.stderr.contains("resuming with what is missing"), "\(last.stderr)")
            #expect(last.stderr.contains("catching up"), "\(last.stderr)")
            #expect(!last.stderr.contains(" 0 of "), "something was copied before: \(last.stderr)")
            try await rig.expectCloned()
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == "0")
            try await rig.expectCleanedUp()
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func itIsResumedUnderLoad(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await Load.prepare(rig)
            let load = try Load.start(rig, seconds: 8)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 50 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let arguments = "--follow --table-jobs 2 --split-tables-larger-than 64kB"
            #expect(try await rig.clone(arguments, failpoint: "after-table:3").signal == SIGKILL)
            let follower = try rig.startClone(arguments)
            try await follower.awaitLog(containing: "following the source's changes")
            #expect(follower.stderr.contains("catching up"), "\(follower.stderr)")
            try await load.wait().checked("pgbench")
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            _ = try await follower.wait()
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }

    /// The log has the end mark of the first run, which is not the end of the second.
    @Test(arguments: ["after-table:6", "before-copy-done", "before-end"])
    func theEndIsThatOfTheLastRun(_ point: String) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let arguments = "--follow --table-jobs 1 --endpos current"
            let first = try await rig.clone(arguments, failpoint: point)
            #expect(first.signal == SIGKILL && first.stderr.contains("reached the end position"), "\(first)")
            try await rig.onSource(Self.changes(1))
            let again = try await rig.clone(arguments).checked("clone")
            #expect(!again.stderr.contains("starting over"), "\(again.stderr)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func aFilteredCopyIsGoneOnWithToo() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let file = try rig.folder.write(
                "filters.ini", "[exclude-table]\npublic.child\n[exclude-table-data]\npublic.owned\n")
            #expect(
                try await rig.clone("--follow --table-jobs 1 --filters '\(file)'", failpoint: "after-table:2").signal
                    == SIGKILL)
            try await rig.onSource(Self.changes(1))
            let again = try await rig.clone("--follow --endpos current").checked("clone")
            #expect(again.stderr.contains("resuming with what is missing"), "\(again.stderr)")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            #expect(try await rig.onTarget("SELECT count(*) FROM owned") == "0")
        }
    }

    @Test func withoutItsSlotACopyIsBegunAnew() async throws {
        try await Rig.runClone { rig in
            #expect(try await rig.clone("--follow", failpoint: "after-table:2").signal == SIGKILL)
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            let again = try await rig.clone("--follow --endpos current").checked("clone")
            #expect(again.stderr.contains("starting over"), "\(again.stderr)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }
}
