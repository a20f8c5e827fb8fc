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

    @Test func aPatternForNothingIsFound() throws {
        let it = try FilterFile.parse(
            """
            [exclude-schema]
            tmp_*
            gone
            [exclude-table]
            public.t
            public.misspelt
            [exclude-index]
            public.t_pkey
            public.no_index
            [include-only-extension]
            hstore
            """, file: "f")
        var names = SelectableNames()
        names.schemas = ["public", "tmp_1"]
        names.tables = [("public", "t")]
        names.indexes = [("public", "t_pkey")]
        names.extensions = ["plpgsql"]
        #expect(
            it.unmatched(in: names) == [
                "[exclude-schema] gone", "[exclude-table] public.misspelt", "[exclude-index] public.no_index",
                "[include-only-extension] hstore",
            ])
    }

    @Test func columnsThatAreNotMetAreKnown() throws {
        var it = Selection()
        it.excludeColumns = [try ColumnPattern("t.secret"), try ColumnPattern("public.t.sceret")]
        // Any copy of the selection tells all of them.
        let copy = it
        _ = try copy.excludedColumns(schema: "public", table: "t", columns: ["id", "secret"], keys: ["id"])
        _ = try copy.excludedColumns(schema: "public", table: "u", columns: ["sceret"], keys: [])
        #expect(it.unmetColumns == ["public.t.sceret"])
    }

    @Test func aTableMayBeginLater() throws {
        let it = try FilterFile.parse("[start-after]\n\"odd = s\".\"t\" = 1A/FF\n\"a\".\"t\" = 0/1", file: "f")
        #expect(it.start(schema: "odd = s", table: "t") == 0x1A_0000_00FF)
        #expect(it.start(schema: "a", table: "t") == 1)
        #expect(it.start(schema: "a", table: "u") == nil)
        #expect(it.includesAllTables)
        for wrong in ["a.t", "a.t = 1", "a.t = x/1", "a.t = 1/2/3", "t = 0/1"] {
            #expect(throws: SelectionError.self, "\(wrong)") {
                try FilterFile.parse("[start-after]\n\(wrong)", file: "f")
            }
        }
    }
}
