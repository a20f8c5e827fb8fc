import Glibc
import Observability
import TestSupport
import Testing

/// Every kind of object arrives as it is on the source.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneFixtureTests {
    /// Source and target.
    private static let pairs = OtherServers.majors.contains(18) ? [(15, 15), (18, 18), (15, 18)] : [(15, 15)]
    private static let early =
        "--index-early-larger-than 8kB --table-jobs 2 --index-jobs 2 --split-tables-larger-than 8kB"

    private static func run(_ source: Int, _ target: Int, _ body: (Rig) async throws -> Void) async throws {
        try await Rig.run(
            source: .shared(.source, major: source), target: .shared(.target, major: target), publication: nil,
            createsSlot: false
        ) { rig in
            try await rig.onBoth(Fixture.roles)
            try await rig.onSource(Fixture.everything + (source >= 18 ? Fixture.later : ""))
            try await body(rig)
        }
    }

    private static func expectAll(_ rig: Rig) async throws {
        try await rig.expectCloned()
        for query in [
            #"SELECT string_agg(v::text, ',' ORDER BY v::text COLLATE "C") FROM f.on_stored v"#,
            "SELECT count(*), sum(v) FROM f.on_grouped", "SELECT * FROM f.on_keyed",
            "SELECT string_agg(concat_ws('|', l.oid, lomowner::regrole, lomacl, obj_description(l.oid, 'pg_largeobject')), ',' ORDER BY l.oid) FROM pg_largeobject_metadata l",
            // What pg_dump does not show: which of the constraints hold for all rows, and which indexes can be used.
            #"SELECT string_agg(conname || convalidated, ',' ORDER BY conname COLLATE "C", conrelid::regclass::text COLLATE "C") FROM pg_constraint WHERE oid > 16384 AND conparentid = 0 AND contype <> 'n'"#,
            #"SELECT string_agg(indexrelid::regclass::text || indisvalid, ',' ORDER BY indexrelid::regclass::text COLLATE "C") FROM pg_index WHERE indexrelid > 16384 AND indrelid::regclass::text !~ 'pg_toast'"#,
        ] {
            let (there, here) = (try await rig.onTarget(query), try await rig.onSource(query))
            #expect(there == here, "\(query)")
        }
    }

    @Test(arguments: pairs)
    func everythingArrives(_ source: Int, _ target: Int) async throws {
        try await Self.run(source, target) { rig in
            let clone = try await rig.clone("--follow --endpos current").checked("clone")
            #expect(!clone.output.contains("Not as on the source"), "\(clone)")
            try await Self.expectAll(rig)
        }
    }

    @Test func soItDoesWithIndexesMadeEarlyAndTablesInParts() async throws {
        try await Self.run(15, 15) { rig in
            try await rig.clone(Self.early).checked("clone")
            try await Self.expectAll(rig)
        }
    }

    @Test(arguments: ["after-table:3", "after-rows", "after-keys", "after-indexes"])
    func soItDoesAfterAnInterruption(_ point: String) async throws {
        try await Self.run(15, 15) { rig in
            let arguments = "--follow --endpos current " + Self.early
            #expect(try await rig.clone(arguments, failpoint: point).signal == SIGKILL)
            try await rig.onSource(
                "UPDATE f.main SET big = 'changed' WHERE v % 3 = 0; INSERT INTO f.lists VALUES (61, 'sad')")
            let clone = try await rig.clone(arguments).checked("clone")
            #expect(clone.stderr.contains("resuming with what is missing"), "\(clone)")
            try await Self.expectAll(rig)
        }
    }

    /// Nothing of an earlier copy is left, which would be in the way or would change what is made.
    @Test func soItDoesWhenItIsRestarted() async throws {
        try await Self.run(15, 15) { rig in
            let arguments = "--follow --endpos current"
            #expect(try await rig.clone(arguments, failpoint: "after-indexes").signal == SIGKILL)
            try await rig.clone(arguments + " --restart").checked("clone")
            try await Self.expectAll(rig)
        }
    }
}
