import TestSupport
import Testing

/// Values of all kinds in copied rows, in the binary form and in text.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneTypeTests {
    @Test(arguments: ["built in", "arrays", "user-defined", "extensions"])
    func valuesArriveAsTheyAre(_ kind: String) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.cloneTypes(kind)
        }
    }
}

extension Rig {
    /// Copies tables of every type of one kind, whole and in parts, and compares them.
    func cloneTypes(_ kind: String) async throws {
        let tables = try #require(TypeCase.all[kind]).enumerated().map { TypeTables(number: $0.offset, $0.element) }
        try await onSource("CREATE SCHEMA odd;\n" + tables.map(\.schema).joined() + tables.map(\.inserts).joined())
        try await clone("--split-tables-larger-than 16kB").checked("clone")
        try await expectEqual()
    }
}
