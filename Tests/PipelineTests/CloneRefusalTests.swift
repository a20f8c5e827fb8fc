import Glibc
import Observability
import TestSupport
import Testing

/// What clone refuses before it makes anything, and what it never shows.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneRefusalTests {
    private func expect(
        _ finished: Finished, _ status: Observability.ExitStatus, _ text: String,
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(finished.exitCode == status.rawValue, "\(finished)", sourceLocation: location)
        #expect(finished.stderr.contains(text), "\(finished)", sourceLocation: location)
    }

    @Test func aTargetThatIsNotEmptyIsLeftAlone() async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            for (kind, rest) in [
                ("TABLE", "(v int)"), ("SCHEMA", ""), ("VIEW", "AS SELECT 1"), ("SEQUENCE", ""),
                ("TYPE", "AS ENUM ('a')"), ("DOMAIN", "AS int"),
                ("FUNCTION", "() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
            ] {
                try await rig.onTarget("CREATE \(kind) thing \(rest)")
                expect(try await rig.clone("--follow"), .unsuitableServer, "thing")
                try await rig.onTarget("DROP \(kind) thing")
            }
            try await rig.expectCleanedUp()
        }
    }

    @Test func whatSomebodyElseMadeIsNotDropped() async throws {
        try await Rig.runClone { rig in
            #expect(try await rig.clone("--follow", failpoint: "after-definitions").signal == SIGKILL)
            try await rig.onTarget("CREATE TABLE precious (v int); INSERT INTO precious VALUES (1)")
            expect(try await rig.clone("--follow"), .unsuitableServer, "public.precious")
            #expect(try await rig.onTarget("SELECT v FROM precious") == "1")
            try await rig.clone("--follow --restart --endpos current").checked("clone")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func aSlotOrAPositionOfAnotherStreamIsLeftAlone() async throws {
        try await Rig.run("", publication: nil) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY)")
            expect(try await rig.clone("--follow"), .slotMismatch, "slot \"\(rig.name)\" exists")
            try await rig.receive("--drop-slot").checked("receive")
            try await rig.onTarget(
                """
                CREATE SCHEMA walrelay; CREATE TABLE walrelay.progress (stream text, lane int, lanes int, position pg_lsn,
                  timeline int8, committed_at timestamptz, source_system text, source_database text, slot text, log_id text,
                  applied_at timestamptz DEFAULT now(), tool text, PRIMARY KEY (stream, lane));
                INSERT INTO walrelay.progress VALUES ('\(rig.name)', 0, 1, '0/1', 1, NULL, '7', 'd', 's', 'l', now(), 't')
                """)
            let refused = try await rig.clone("--follow")
            expect(refused, .unsuitableServer, "has a position \"\(rig.name)\" already, 0/1")
            // The statement that the refusal gives is the way out.
            let advice = try #require(refused.stderr.firstRange(of: "DELETE FROM"))
            try await rig.onTarget(String(refused.stderr[advice.lowerBound...]))
            try await rig.onSource("CREATE PUBLICATION \(rig.name) FOR ALL TABLES")
            expect(try await rig.clone("--follow"), .slotMismatch, "that walrelay did not make")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "1")
        }
    }

    @Test func twoServersAndAFolderBelongTogether() async throws {
        try await Rig.runClone { rig in
            let same = "clone --source \"$SOURCE\" --target \"$SOURCE\" --dir \"$SPOOL\""
            expect(try await rig.shell(same), .usage, "the same database")
            let copy = try rig.startClone("--follow")
            try await copy.awaitLog(containing: "connected to the target")
            expect(try await rig.clone("--follow"), .locked, "another clone")
            copy.signal(SIGTERM)
            #expect(try await copy.wait().exitCode == 0, "\(copy.stderr)")
            let other = try await rig.target.createDatabase(prefix: "other")
            let elsewhere = rig.target.connectionString(database: other)
            let foreign = "clone --source \"$SOURCE\" --target '\(elsewhere)' --dir \"$SPOOL\" --slot-name \"$NAME\""
            expect(try await rig.shell(foreign), .foreign, "belongs to another migration")
            expect(try await rig.clone(), .usage, "add --follow")
            // What is only followed may be restarted; what is done may not.
            try await rig.clone("--follow --restart --endpos current").checked("clone")
            try await rig.expectCloned()
            expect(try await rig.clone("--follow --restart"), .usage, "may be in use")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
            try await rig.target.dropDatabase(other)
        }
    }

    @Test func aPasswordIsSeenNowhere() async throws {
        try await Rig.runClone { rig in
            let password = "pass-\(getpid())-\(rig.name)"
            // Each program of PostgreSQL looks at all command lines while receive runs beside it.
            for program in ["pg_dump", "pg_restore"] {
                try rig.wrap(
                    program,
                    """
                    [ "$1" = --version ] || {
                      [ "$PGPASSWORD" = '\(password)' ] && echo x >>"$FOLDER/given"
                      sed 's/\\x00/ /g' /proc/[0-9]*/cmdline >>"$FOLDER/seen" 2>/dev/null
                    }
                    """)
            }
            let arguments =
                "--follow --verbose --endpos current --dir \(rig.spool) --slot-name \(rig.name) --origin \(rig.name)"
            let finished = try await Program.run(
                "clone", arguments.split(separator: " ").map(String.init),
                environment: [
                    "FOLDER": rig.folder.path, "WALRELAY_SOURCE": "\(rig.sourceString) password=\(password)",
                    "WALRELAY_TARGET": "\(rig.targetString) password=\(password)",
                    "PATH": "\(rig.folder.path)/first:/usr/bin:/bin",
                ])
            try finished.checked("clone")
            #expect(try rig.folder.read("given").count == 10)
            // The scripts have it in their text, not on their command lines.
            let seen = String(decoding: try rig.folder.read("seen"), as: UTF8.self)
            #expect(seen.contains("--snapshot=") && seen.contains("--section=post-data") && seen.contains(rig.spool))
            #expect(!seen.contains(password))
            #expect(!finished.stderr.contains(password) && !finished.output.contains(password))
            let left = try await rig.shell("grep -rlF '\(password)' \"$SPOOL\"; true")
            #expect(left.output.isEmpty)
        }
    }
}
