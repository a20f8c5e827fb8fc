import Glibc
import Observability
import TestSupport
import Testing

/// Indexes and keys that are made while other tables are still being copied.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneEarlyKeyTests {
    /// All kinds: of constraints, by themselves, the replica identity, over expressions, of some rows. The rows of another
    /// table are not there before the large one has those that can be made early.
    private static let more = """
        CREATE TABLE large (id int PRIMARY KEY, a int UNIQUE NOT NULL, b text, r int4range, EXCLUDE USING gist (r WITH &&));
        CREATE INDEX large_b ON large (b DESC) INCLUDE (a); CREATE INDEX large_name ON large (b); CREATE INDEX large_lower ON large (lower(b));
        CREATE INDEX large_part ON large (a) WHERE a > 10; CREATE UNIQUE INDEX large_identity ON large (a, id);
        ALTER TABLE large REPLICA IDENTITY USING INDEX large_identity; ALTER TABLE large CLUSTER ON large_b;
        INSERT INTO large SELECT g, g, repeat('x', 100), int4range(g, g + 1) FROM generate_series(1, 5000) g;
        CREATE FUNCTION large_has_keys() RETURNS bool LANGUAGE plpgsql AS $f$
        BEGIN
          FOR i IN 1..3000 LOOP
            IF (SELECT count(*) FROM pg_catalog.pg_class WHERE relname IN
                 ('large_pkey', 'large_a_key', 'large_r_excl', 'large_name', 'large_identity')) = 5 THEN RETURN true; END IF;
            PERFORM pg_catalog.pg_sleep(0.01);
          END LOOP;
          RETURN true;
        END $f$;
        CREATE DOMAIN waiting AS int CHECK (large_has_keys());
        CREATE TABLE refers (id waiting PRIMARY KEY, l int REFERENCES large); INSERT INTO refers SELECT g, g FROM generate_series(1, 99) g;

        """
    private static let unwaiting = "ALTER DOMAIN waiting DROP CONSTRAINT waiting_check"
    private static let arguments = "--follow --index-early-larger-than 16kB"

    @Test func theyAreAllThereInTheEnd() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let clone = try await rig.clone(Self.arguments + " --endpos current").checked("clone")
            for name in ["large large_pkey", "large large_a_key", "large large_r_excl", "large_name", "large_identity"]
            {
                #expect(clone.stderr.contains(" public \(name), in "), "\(name): \(clone.stderr)")
            }
            // The first comes late, so that it and the identity do not wait for each other; what others call may look at more.
            for name in ["large_b", "large_lower", "large_part"] {
                #expect(!clone.stderr.contains("public \(name), in "))
            }
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func anInterruptedCopyMakesThemAgain() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let arguments = Self.arguments + " --table-jobs 1 --index-jobs 1"
            #expect(try await rig.clone(arguments, failpoint: "after-early-key:2").signal == SIGKILL)
            try await rig.onBoth(Self.unwaiting)
            try await rig.onSource("UPDATE large SET b = 'changed' WHERE id % 7 = 0; DELETE FROM refers WHERE id > 50")
            let again = try await rig.clone(arguments + " --endpos current").checked("clone")
            #expect(again.stderr.contains("resuming with what is missing"), "\(again.stderr)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func oneThatFailsEndsTheCopyWithItsOwnReason() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            try await rig.onSource(Self.unwaiting)
            try rig.wrap(
                "pg_restore",
                "case \"$*\" in *schema.dump.[0-9]*.list*) echo 'pg_restore: error: no room' >&2; exit 1;; esac")
            let failed = try await rig.clone(Self.arguments)
            #expect(failed.exitCode == ExitStatus.conflict.rawValue, "\(failed)")
            #expect(failed.stderr.contains("no room"), "\(failed.stderr)")
            #expect(failed.stderr.contains("pg_restore ended with code 1"), "\(failed.stderr)")
            try await rig.shell("rm -r first").checked()
            try await rig.clone(Self.arguments + " --endpos current").checked("clone")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }
}
