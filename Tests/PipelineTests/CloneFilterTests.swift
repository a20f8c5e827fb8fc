import Glibc
import Observability
import TestSupport
import Testing

/// `clone --filters`: one selection for definitions, rows, publication, stream and comparison.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneFilterTests {
    private static let filters = """
        [exclude-schema]
        "odd "" schema"
        [exclude-table]
        public.child
        public.m_new*
        [exclude-table-data]
        shop.teams
        [exclude-index]
        shop.people_name
        [exclude-extension]
        citext

        """

    private static let more = """
        CREATE EXTENSION citext; CREATE SCHEMA only_views; CREATE VIEW only_views.children AS SELECT * FROM child;
        CREATE TABLE counted (id serial PRIMARY KEY, v int UNIQUE); INSERT INTO counted (v) VALUES (1), (2), (3);
        CREATE TABLE "odd "" schema".numbered (id serial PRIMARY KEY);

        """

    /// Changes of what is selected and of what is not, in the same transactions.
    private static let changes = """
        BEGIN; UPDATE counted SET v = 9 WHERE v = 1; UPDATE counted SET v = 1 WHERE v = 2; UPDATE counted SET v = 2 WHERE v = 9;
        INSERT INTO child VALUES (5, 'no'); INSERT INTO m VALUES (700, '2023-01-01', 'yes'), (701, '2030-01-01', 'no');
        INSERT INTO shop.teams (lead) VALUES (7); UPDATE shop.people SET team = 11, name = 'in it' WHERE id = 9;
        INSERT INTO "odd "" schema".numbered DEFAULT VALUES; TRUNCATE parent, child; INSERT INTO parent VALUES (8); COMMIT;

        """

    private func relations(_ rig: Rig) async throws -> String {
        try await rig.onTarget(
            """
            SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
             WHERE nspname !~ '^(pg_|info|walrelay)' AND relkind IN ('r', 'p', 'v', 'm', 'S')
            """)
    }

    @Test func oneSelectionHoldsForEveryStep() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let file = try rig.folder.write("filters.ini", Self.filters)
            let clone = try rig.startClone("--follow --filters '\(file)'")
            try await clone.awaitLog(containing: "connected to the target")
            let published = try await rig.onSource("SELECT string_agg(tablename, ' ') FROM pg_publication_tables")
            #expect(published.contains("m_old") && published.contains("counted"), "\(published)")
            // Partitions go with the table that they belong to, until transform leaves them out.
            for table in ["child", "teams", "numbered", "t a,b"] {
                #expect(!published.contains(table), "\(table) is published: \(published)")
            }
            try await rig.onSource(Self.changes)
            // What is named again, in other words, would be another selection.
            let other = try rig.folder.write("other.ini", Self.filters + "nothing\n")
            let refused = try await rig.shell(rig.cloneCommand("--follow --filters '\(other)'"))
            #expect(refused.exitCode == ExitStatus.locked.rawValue, "\(refused)")
            clone.signal(SIGTERM)
            #expect(try await clone.wait().exitCode == 0, "\(clone.stderr)")
            let changed = try await rig.clone("--follow --filters '\(other)'")
            #expect(changed.exitCode == ExitStatus.usage.rawValue, "\(changed)")
            #expect(changed.stderr.contains("with other filters"), "\(changed)")

            // The journal knows them.
            let again = try rig.startClone("--follow")
            try await again.awaitLog(containing: "connected to the target")
            try await rig.onSource(Self.changes.replacing("7)", with: "8)").replacing("70", with: "80"))
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await again.wait().exitCode == 0, "\(again.stderr)")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            try await expectSelected(rig)
            for expected in [
                "left out: the foreign key \"people_team_fkey\" of \"shop\".\"people\"",
                "left out, because it needs something that the filters leave out: VIEW only_views children",
            ] {
                #expect(clone.stderr.contains(expected), "\(clone.stderr)")
            }
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }

    private func expectSelected(_ rig: Rig) async throws {
        #expect(
            try await relations(rig)
                == "counted counted counted_id_seq generated loose m m_old names none parent people people_id_seq teams "
                + "teams_id_seq unlogged")
        #expect(try await rig.onTarget("SELECT count(*) FROM shop.teams") == "0")
        #expect(try await rig.onTarget("SELECT to_regclass('shop.people_name')") == "")
        #expect(try await rig.onTarget("SELECT count(*) FROM pg_extension WHERE extname = 'citext'") == "0")
        #expect(try await rig.onTarget("SELECT count(*) FROM pg_extension WHERE extname = 'hstore'") == "1")
        for query in [
            "SELECT string_agg(v::text, ',' ORDER BY id) FROM counted", "SELECT count(*) FROM m_old",
            "SELECT string_agg(id::text, ',') FROM parent", "SELECT last_value FROM counted_id_seq",
            "SELECT name FROM shop.people WHERE id = 9",
        ] {
            #expect(
                try await rig.onTarget(query) == rig.onSource(query.replacing("FROM parent", with: "FROM ONLY parent")))
        }
    }

    @Test func whatIsIncludedComesAlone() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let file = try rig.folder.write(
                "filters.ini", "[include-only-table]\nshop.people\npublic.counted\n[include-only-extension]\nplpgsql\n")
            let clone = try await rig.clone("--follow --endpos current --filters '\(file)'").checked("clone")
            #expect(try await relations(rig) == "counted counted counted_id_seq loose names people people_id_seq")
            #expect(!clone.stderr.contains("VIEW shop counted"), "it needs people alone")
            #expect(try await rig.onTarget("SELECT count(*) FROM shop.people") == "3000")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
            try await rig.expectCleanedUp()
        }
    }

    @Test func whatMatchesNothingIsSaid() async throws {
        try await Rig.runClone { rig in
            let file = try rig.folder.write(
                "filters.ini",
                "[exclude-table]\npublic.m_new*\npublic.misspelt\n[exclude-index]\nshop.no_such\n[exclude-extension]\nnone\n"
            )
            for command in ["check", "--verbose"] {
                let finished = try await rig.shell(rig.cloneCommand("\(command) --filters '\(file)'"))
                for name in [
                    "[exclude-table] public.misspelt", "[exclude-index] shop.no_such", "[exclude-extension] none",
                ] {
                    #expect((finished.output + finished.stderr).contains("\(name) matches nothing"), "\(finished)")
                }
                #expect(!(finished.output + finished.stderr).contains("public.m_new* matches"), "\(finished)")
            }
        }
    }

    @Test(arguments: [
        ("[include-only-table]\npublic.m\n", "its partition \"public\".\"m_old\" is not"),
        ("[exclude-table]\npublic.m\n", "the partition \"public\".\"m_old\" is selected"),
    ])
    func aPartitionedTableIsNotTornApart(_ filters: String, _ message: String) async throws {
        try await Rig.runClone { rig in
            let file = try rig.folder.write("filters.ini", filters)
            for command in ["check", "--follow"] {
                let refused = try await rig.shell(rig.cloneCommand("\(command) --filters '\(file)'"))
                #expect(refused.exitCode == ExitStatus.usage.rawValue, "\(refused)")
                #expect((refused.output + refused.stderr).contains(message), "\(refused)")
            }
            try await rig.expectCleanedUp()
        }
    }

    @Test func aTableThatNeedsWhatIsLeftOutIsRefused() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource("CREATE TABLE moody (id int PRIMARY KEY, m shop.mood)")
            let file = try rig.folder.write("filters.ini", "[exclude-schema]\nshop\n")
            let refused = try await rig.clone("--follow --filters '\(file)'")
            #expect(refused.exitCode == ExitStatus.usage.rawValue, "\(refused)")
            #expect(refused.stderr.contains("TABLE public moody is selected, but needs"), "\(refused)")
            try await rig.expectCleanedUp()
            // An incomplete copy may be restarted with other filters.
            try rig.folder.write("filters.ini", "[exclude-schema]\nshop\n[exclude-table]\npublic.moody\n")
            try await rig.clone("--follow --endpos current --filters '\(file)'").checked("clone")
            #expect(
                try await rig.onTarget("SELECT to_regnamespace('shop') IS NULL AND to_regclass('moody') IS NULL") == "t"
            )
        }
    }

    @Test func whatTheTargetHasOfItIsDroppedOnRequest() async throws {
        try await Rig.runClone { rig in
            try await rig.clone().checked("clone")
            try await rig.onTarget("UPDATE parent SET id = 99; CREATE TABLE precious (v int)")
            try await rig.shell("rm -r spool").checked()
            let foreign = try await rig.clone("--drop-if-exists")
            #expect(foreign.exitCode == ExitStatus.unsuitableServer.rawValue, "\(foreign)")
            #expect(foreign.stderr.contains("public.precious"), "\(foreign)")
            try await rig.onTarget("DROP TABLE precious")
            // What the filters leave out is not dropped either.
            let file = try rig.folder.write("filters.ini", "[exclude-table]\npublic.none\n")
            let excluded = try await rig.clone("--drop-if-exists --filters '\(file)'")
            #expect(excluded.exitCode == ExitStatus.unsuitableServer.rawValue, "\(excluded)")
            #expect(excluded.stderr.contains("table public.\"none\""), "\(excluded)")
            #expect(try await rig.onTarget("SELECT count(*) FROM \"none\"") == "2")
            let dropped = try await rig.clone("--drop-if-exists --follow --endpos current").checked("clone")
            #expect(dropped.stderr.contains("are dropped first"), "\(dropped.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test func aFilterOfDefinitionsAloneChangesNoBatch() async throws {
        try await Rig.runClone { rig in
            let file = try rig.folder.write("filters.ini", "[exclude-index]\nshop.people_name\n")
            let clone = try await rig.clone("--follow --endpos current --filters '\(file)'").checked("clone")
            #expect(!clone.stderr.contains("taken from the log again"), "\(clone.stderr)")
            #expect(try await rig.onTarget("SELECT to_regclass('shop.people_name')") == "")
            try await rig.shell(rig.cloneCommand("compare")).checked("compare")
        }
    }
}
