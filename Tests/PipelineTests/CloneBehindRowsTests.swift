import Glibc
import Observability
import TestSupport
import Testing

/// A copy that was interrupted behind its rows: they are not copied again, and what was made of the rest does not hurt.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneBehindRowsTests {
    /// What comes behind the rows: also of a view, of a partitioned table, and in a part of its own.
    private static let more = """
        CREATE UNIQUE INDEX ON shop.counted (team); CREATE INDEX ON m (v); CREATE VIEW grouped AS SELECT id, name FROM shop.people GROUP BY id;
        CREATE TABLE lying (id int PRIMARY KEY, a int NOT NULL); CREATE UNIQUE INDEX lying_a ON lying (a); CREATE INDEX lying_o ON lying (a, id);
        ALTER TABLE lying REPLICA IDENTITY USING INDEX lying_a; ALTER TABLE lying CLUSTER ON lying_o;
        ALTER TABLE lying ENABLE ROW LEVEL SECURITY; CREATE POLICY positive ON lying USING (a > 0);
        COMMENT ON INDEX lying_o IS 'in this order'; INSERT INTO lying SELECT g, g FROM generate_series(1, 100) g;

        """
    private static let changes = """
        UPDATE lying SET a = a + 1000 WHERE id % 3 = 0; DELETE FROM lying WHERE id % 5 = 0;
        UPDATE shop.people SET n = n + 1 WHERE id % 4 = 1; INSERT INTO m VALUES (2000 + (SELECT count(*) FROM m), '2024-05-05', 'more');

        """

    private static func run(
        _ rig: Rig, _ arguments: String, failpoint: String = "", isFirst: Bool = false
    ) async throws -> Finished {
        let finished = try await rig.clone(arguments, failpoint: failpoint)
        #expect(finished.stderr.contains("resuming with what is missing") == !isFirst, "\(finished)")
        #expect(!finished.stderr.contains("starting over"), "\(finished)")
        return finished
    }

    /// The n-th part that comes behind the rows is made, and then something fails.
    private static func failBehind(_ part: Int, _ rig: Rig) throws {
        let restore = "'\(rig.clientFolder)/pg_restore' \"$@\""
        try rig.wrap(
            "pg_restore",
            "case \"$*\" in *use-list*post-data*) echo >>\"$FOLDER/n\"; "
                + "if [ $(wc -l <\"$FOLDER/n\") = \(part) ]; then \(restore); exit 1; fi;; esac")
    }

    @Test(arguments: ["--follow", ""])
    func theRestIsMadeOnce(_ mode: String) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let arguments = mode + " --index-jobs 2"
            let first = try await Self.run(rig, arguments, failpoint: "after-keys", isFirst: true)
            #expect(first.signal == SIGKILL, "\(first)")
            if !mode.isEmpty {
                // What was made on the source since then has indexes, too.
                try await rig.onSource(Self.changes + "CREATE TABLE newcomer (id int PRIMARY KEY);")
            }
            try Self.failBehind(1, rig)
            let rest = try await Self.run(rig, arguments)
            #expect(rest.exitCode == ExitStatus.conflict.rawValue, "\(rest)")
            #expect(!rest.stderr.contains("indexes and constraints"), "\(rest)")
            try await rig.shell("rm -r first n").checked()
            if !mode.isEmpty { try await rig.onSource(Self.changes + "DROP TABLE newcomer;") }
            let last = try await Self.run(rig, arguments + (mode.isEmpty ? "" : " --endpos current")).checked("clone")
            #expect(!last.stderr.contains("clone: rows"), "\(last)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test(arguments: ["--follow", ""])
    func keysAreMadeAgain(_ mode: String) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            try Self.failBehind(1, rig)
            let first = try await Self.run(rig, mode, isFirst: true)
            #expect(first.exitCode == ExitStatus.conflict.rawValue, "\(first)")
            #expect(first.stderr.contains("Fix the cause and run the same command again"), "\(first)")
            #expect(first.stderr.contains("keeps WAL on the source") == !mode.isEmpty, "\(first)")
            try await rig.shell("rm -r first n").checked()
            if !mode.isEmpty { try await rig.onSource(Self.changes) }
            let last = try await Self.run(rig, mode + (mode.isEmpty ? "" : " --endpos current")).checked("clone")
            #expect(!last.stderr.contains("clone: rows"), "\(last)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    /// Tables of two moments become one although each step on the way is interrupted.
    @Test func catchingUpIsGoneOnWith() async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(Self.more)
            let arguments = "--follow --table-jobs 1"
            for (index, point) in ["after-table:3", "after-rows", "after-keys", "after-catch-up", "after-indexes"]
                .enumerated()
            {
                let killed = try await Self.run(rig, arguments, failpoint: point, isFirst: index == 0)
                #expect(killed.signal == SIGKILL, "\(point): \(killed)")
                try await rig.onSource(Self.changes)
            }
            let last = try await Self.run(rig, arguments + " --endpos current").checked("clone")
            for word in ["rows", "indexes and constraints", "catching up"] {
                #expect(!last.stderr.contains("clone: \(word)"), "\(last)")
            }
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func anEmptiedUnloggedTableIsSaid() async throws {
        let source = try await Cluster.start(name: "source of unlogged rows")
        let target = try await Cluster.start(role: .target, name: "target that loses unlogged rows")
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
            #expect(try await rig.clone("--follow", failpoint: "after-keys").signal == SIGKILL)
            try await target.restart(mode: .immediate)
            let last = try await Self.run(rig, "--follow --endpos current").checked("clone")
            #expect(last.stderr.contains("\"public\".\"unlogged\" is unlogged, and is empty on the target"), "\(last)")
            #expect(try await rig.onTarget("SELECT count(*) FROM unlogged") == "0")
        }
        try await source.remove()
        try await target.remove()
    }
}
