import Selection
import Testing

/// What is included and what is not.
@Suite struct SelectionTests {
    private func selection(_ change: (inout Selection) throws -> Void) rethrows -> Selection {
        var selection = Selection()
        try change(&selection)
        return selection
    }

    @Test func aNewSelectionIncludesEverything() {
        let all = Selection()
        #expect(all.includesAllTables && all.operations == .all)
        #expect(all.includes(schema: "s") && all.includes(schema: "s", table: "t"))
        #expect(all.includesData(schema: "s", table: "t") && all.includesIndex(schema: "s", index: "i"))
        #expect(all.includes(extension: "x") && all.mayIncludeData(joined: "s.t"))
    }

    @Test func everyInclusionMustHoldAndAnyExclusionWins() throws {
        let it = try selection {
            $0.includeSchemas = [try NamePattern("public"), try NamePattern("shop*")]
            $0.includeTables = [try TablePattern("order*"), try TablePattern("public.t")]
            $0.excludeTables = [try TablePattern("shop2.orders")]
            $0.excludeSchemas = [try NamePattern("shop3")]
        }
        #expect(it.includes(schema: "public", table: "t"))
        #expect(!it.includes(schema: "shop1", table: "t"))
        #expect(it.includes(schema: "shop1", table: "orders"))
        #expect(!it.includes(schema: "shop2", table: "orders"))
        #expect(it.includes(schema: "shop2", table: "orders2"))
        #expect(!it.includes(schema: "shop3", table: "orders"))
        #expect(!it.includes(schema: "other", table: "orders"))
        #expect(!it.includesAllTables)
    }

    @Test func rowsCanBeLeftOutAlone() throws {
        let it = try selection { $0.excludeTableData = [try TablePattern("s.t")] }
        #expect(it.includes(schema: "s", table: "t"))
        #expect(!it.includesData(schema: "s", table: "t"))
        #expect(it.includesData(schema: "s", table: "u"))
        #expect(!it.includesAllTables)
    }

    @Test func indexesAndExtensions() throws {
        let it = try selection {
            $0.excludeIndexes = [try TablePattern("s.i*")]
            $0.includeExtensions = [try NamePattern("postgis*")]
            $0.excludeExtensions = [try NamePattern("postgis_raster")]
        }
        #expect(!it.includesIndex(schema: "s", index: "ix") && it.includesIndex(schema: "t", index: "ix"))
        #expect(it.includes(extension: "postgis") && !it.includes(extension: "postgis_raster"))
        #expect(!it.includes(extension: "citext"))
    }

    @Test func joinedNamesAreSplitAtEveryDot() throws {
        let it = try selection { $0.includeTables = [try TablePattern("\"a.b\".c")] }
        #expect(it.mayIncludeData(joined: "a.b.c"))
        #expect(!it.mayIncludeData(joined: "b.c"))
        #expect(it.mayIncludeData(joined: "OID 16384"), "a table without a known name may be any")
    }
}
