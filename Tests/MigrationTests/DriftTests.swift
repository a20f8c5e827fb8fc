import Spool
import Testing
@testable import Catalog
@testable import Comparison
@testable import Migration

/// Which differences of definitions are told, and which refuse a switchover.
struct DriftTests {
    private typealias Key = CatalogFacts.Key

    private static func key(_ kind: CatalogFacts.Kind, _ relation: String?, _ name: String) -> Key {
        Key(kind: kind, schema: "public", relation: relation, name: name)
    }

    private static let table = key(.table, "t", "public.t")
    private static let column = key(.column, "t", "public.t.c")
    private static let index = key(.index, "t", "public.t_c")
    private static let view = key(.view, "v", "public.v")
    private static let published = key(.publication, "t", "p of public.t")
    private static let all: [Key: String] = [
        table: "table", column: "integer", index: "CREATE INDEX", view: "abc", published: "1 2 3 4",
    ]

    private static func drift(
        _ change: (inout [Key: String], inout [Key: String]) -> Void, isSelected: (Key) -> Bool = { _ in true }
    ) -> Drift {
        var ours = all
        // The other server prints these in its own way, and publishes nothing.
        var theirs = all
        theirs[published] = nil
        theirs[index] = "create index"
        theirs[view] = "xyz"
        let base = (source: CatalogFacts(ours), target: CatalogFacts(theirs))
        change(&ours, &theirs)
        return Drift(source: CatalogFacts(ours), target: CatalogFacts(theirs), base: base, isSelected: isSelected)
    }

    @Test func whatIsPrintedOtherwiseFromTheStartIsEqual() {
        #expect(Self.drift { _, _ in }.items == [])
    }

    @Test func aTableIsToldWithoutItsParts() {
        let gone = Self.drift { _, theirs in
            for key in [Self.table, Self.column, Self.index] { theirs[key] = nil }
        }
        #expect(gone.items.map(\.sentence) == ["table public.t: dropped on the target"])
        #expect(gone.serious.count == 1)
    }

    @Test func whatOnlyTheTargetHasIsHarmless() {
        let extra = Self.drift { _, theirs in
            theirs[Self.key(.index, "t", "public.more")] = "CREATE INDEX"
            theirs[Self.key(.column, "t", "public.t.more")] = "text"
        }
        #expect(extra.items.map(\.name) == ["public.t.more", "public.more"])
        #expect(extra.serious.map(\.name) == ["public.t.more"])
    }

    @Test(arguments: [("abc2", "xyz", 1), ("abc2", "xyz2", 0), ("abc", "xyz2", 0), ("abc2", nil, 1), ("abc", nil, 1)])
    func aViewIsComparedWithWhatItWas(_ ours: String, _ theirs: String?, _ count: Int) {
        let changed = Self.drift { source, target in
            source[Self.view] = ours
            target[Self.view] = theirs
        }
        #expect(changed.items.count == count, "\(changed)")
    }

    @Test(arguments: [nil, "9 2 3 4", "1 2 3 9"])
    func anEntryOfAPublicationIsTheOneOfTheCopy(_ entry: String?) {
        let altered = Self.drift { source, _ in source[Self.published] = entry }
        #expect(altered.items.map(\.kind) == ["publication"])
        #expect(altered.serious.isEmpty)
    }

    @Test func whatIsNotSelectedIsNotTold() {
        let changed = Self.drift { ours, _ in
            ours[Self.column] = "bigint"
        } isSelected: {
            $0.relation != "t"
        }
        #expect(changed.items == [])
        let told = Self.drift { ours, _ in ours[Self.column] = "bigint" }
        #expect(told.items.map(\.sentence) == ["column public.t.c: bigint on the source, and integer on the target"])
    }

    @Test func factsSurviveTheirFile() throws {
        let base = CatalogBase(source: CatalogFacts(Self.all), target: nil)
        let again = try JSONRoundTrip.of(base)
        #expect(again.source == base.source)
        #expect(again.target == nil)
    }
}

private enum JSONRoundTrip {
    static func of<Value: Codable>(_ value: Value) throws -> Value {
        try JSON.encode(value).withUnsafeBytes { try JSON.decode($0, what: "a test's value", file: "none") }
    }
}
