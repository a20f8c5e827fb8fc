import Glibc
import Observability
import TestSupport
import Testing

/// Large tables, copied by several sessions at once.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneSplitTests {
    /// Rows of very different sizes, holes, and rows that are not where they were.
    private static let big = """
        CREATE TABLE big (id int PRIMARY KEY, v text, changed int DEFAULT 0) WITH (autovacuum_enabled = off);
        INSERT INTO big SELECT g, repeat('v', 1 + g % 300) FROM generate_series(1, 20000) g;
        DELETE FROM big WHERE id BETWEEN 3000 AND 9000 AND id % 10 <> 0; VACUUM big;
        UPDATE big SET v = v || 'u' WHERE id % 7 = 0;

        """

    private func parts(_ finished: Finished, of table: String) -> [String] {
        finished.stderr.split(separator: "\n").filter { $0.contains("\(table) (part ") }.map(String.init)
    }

    @Test func aTableIsCopiedInParts() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.big)
            let finished = try await rig.clone("--split-tables-larger-than 256kB --table-jobs 3").checked("clone")
            #expect(parts(finished, of: "\"public\".\"big\"").count > 5, "\(finished.stderr)")
            #expect(parts(finished, of: "\"shop\".\"people\"").count > 1, "\(finished.stderr)")
            #expect(parts(finished, of: "\"public\".\"m_old\"").isEmpty)
            try await rig.expectCloned()
            #expect(finished.output.contains(try await rig.onSource("SELECT count(*) FROM big")))
        }
    }

    @Test func partsAreOfOneMoment() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.big)
            try await Load.prepare(rig)
            let load = try Load.start(rig, seconds: 5)
            // Behind the snapshot every row moves to another block, and the table grows.
            let move =
                "UPDATE big SET changed = changed + 1; DELETE FROM big WHERE id % 5 = 0; "
                + "INSERT INTO big SELECT g, 'late' FROM generate_series(30001, 31000) g"
            try rig.wrap("pg_dump", "case \"$*\" in *snapshot*) psql -Xqd \"$SOURCE\" -c '\(move)';; esac")
            let rows = try await rig.onSource("SELECT count(*) FROM big")
            let follower = try rig.startClone(
                "--follow --split-tables-larger-than 128kB --split-max-parts 4 --table-jobs 4")
            try await follower.awaitLog(containing: "following the source's changes")
            #expect(follower.stderr.contains("\"public\".\"big\" (part 4 of 4)"), "\(follower.stderr)")
            #expect(!follower.stderr.contains("of 5)"), "\(follower.stderr)")
            #expect(follower.stderr.contains("\"public\".\"big\": \(rows) rows"), "\(follower.stderr)")
            try await load.wait().checked("pgbench")
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            _ = try await follower.wait()
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func aKilledCopyOfPartsIsBegunAnew() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.big)
            let arguments = "--follow --split-tables-larger-than 256kB"
            #expect(try await rig.clone(arguments, failpoint: "after-part:3").signal == SIGKILL)
            try await rig.clone(arguments + " --endpos current").checked("clone")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }
}
