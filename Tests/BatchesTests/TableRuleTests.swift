import Batches
import Selection
import Testing

/// Tables that are left out, renamed, or written in order.
@Suite struct TableRuleTests {
    private func render(_ rules: TableRules, order: BatchPreamble.Order = .net) throws -> Rendering {
        let it = try Rendering(RenderOptions(order: order, tables: rules))
        let other = Build.relation(
            2, "Shop", "Or\"ders", "d", [.init(name: "id", isKey: true, type: 23), .init(name: "v")])
        try it.transaction(
            0x100, Build.simple, other, Build.update(1, ["1", "a"]), Build.update(2, ["1", "b"]),
            Build.delete(2, key: ["2", nil]), Build.truncate([1, 2]), Build.update(1, ["1", "c"]),
            Build.update(1, ["1", "d"]))
        return it
    }

    @Test(arguments: [BatchPreamble.Order.net, .source])
    func excludedTablesAndOperationsAreLeftOut(_ order: BatchPreamble.Order) throws {
        var rules = TableRules()
        rules.selection.excludeTables = [try TablePattern("public.*")]
        rules.selection.operations = [.update, .truncate]
        let it = try render(rules, order: order)
        #expect(
            try it.statements() == [
                "UPDATE \"Shop\".\"Or\"\"ders\" SET \"v\" = 'b' WHERE \"id\" = '1'; -- rows:1",
                "TRUNCATE \"Shop\".\"Or\"\"ders\";",
            ])
        #expect(it.renderer.statistics.changes == 2)
        #expect(it.sink.text.contains("\"selection\":true"))
    }

    @Test func aTransactionOfWhichNothingIsLeftStillMovesThePosition() throws {
        var rules = TableRules()
        rules.selection.includeTables = [try TablePattern("nothing.here")]
        let it = try render(rules)
        try it.renderer.end(at: it.renderer.position, reason: "to")
        #expect(try it.statements().filter { !$0.hasPrefix("-- walrelay end") } == [])
        #expect(it.sink.text.contains("SET position = '0/108'"))
    }

    @Test func tablesAndSchemasAreRenamed() throws {
        var rules = TableRules()
        rules.mappings = [
            try TableMapping("\"Shop\".\"Or\"\"ders\"=new.Orders"), try TableMapping("public=\"Pub lic\""),
        ]
        let lines = try render(rules).statements()
        #expect(lines.contains("TRUNCATE \"Pub lic\".\"t\", \"new\".\"orders\";"), "\(lines)")
        #expect(lines.contains("DELETE FROM \"new\".\"orders\" WHERE \"id\" = '2'; -- rows:1"))
    }

    @Test(arguments: ["", "a", "a=b.c", "a.b=c", "a.b.c=d.e.f", "a=", "=b", "a=b=c", "\"a=b", ".a=b.c"])
    func whatIsNoRenamingIsRefused(_ text: String) {
        #expect(throws: SelectionError.self) { try TableMapping(text) }
    }

    @Test func oneTableHasOneNewName() throws {
        #expect(throws: SelectionError.self) { try TableMapping.all(["a.b=c.d", "A.b=c.e"]) }
        #expect(throws: SelectionError.self) { try TableMapping.all(["a=b", "x.y=z.y", "a=c"]) }
        #expect(try TableMapping.all(["a.b=c.d", "a=x", "a.b=c.d"]).count == 3)
    }

    @Test(arguments: [BatchPreamble.Order.net, .source])
    func excludedColumnsAreNotWritten(_ order: BatchPreamble.Order) throws {
        let columns = [
            Build.Column(name: "id", isKey: true, type: 23), .init(name: "secret"), .init(name: "v"),
        ]
        var rules = TableRules()
        rules.selection.excludeColumns = [try ColumnPattern("public.people.secret"), try ColumnPattern("nobody.*")]
        let it = try Rendering(RenderOptions(order: order, tables: rules))
        try it.transaction(
            0x100, Build.relation(1, "public", "people", "d", columns),
            Build.relation(2, "other", "people", "d", columns), Build.insert(1, ["1", "s3cret", "a"]),
            Build.update(1, ["2", "s3cret", "b"]), Build.update(2, ["3", "known", "c"]),
            Build.delete(1, key: ["4", nil, nil]))
        let lines = try it.statements()
        #expect(!lines.contains { $0.contains("s3cret") })
        #expect(
            lines.contains {
                $0.hasPrefix("INSERT INTO \"public\".\"people\" (\"id\",\"v\")") && $0.contains("('1','a')")
            })
        #expect(lines.contains("UPDATE \"public\".\"people\" SET \"v\" = 'b' WHERE \"id\" = '2'; -- rows:1"))
        #expect(
            lines.contains(
                "UPDATE \"other\".\"people\" SET \"secret\" = 'known', \"v\" = 'c' WHERE \"id\" = '3'; -- rows:1"))
        #expect(lines.contains("DELETE FROM \"public\".\"people\" WHERE \"id\" = '4'; -- rows:1"))
        #expect(it.sink.text.contains("\"selection\":true"))
    }

    @Test func anExcludedColumnOfTheWholeRowIsNotLookedAt() throws {
        var rules = TableRules()
        rules.selection.excludeColumns = [try ColumnPattern("t.secret")]
        let it = try Rendering(RenderOptions(order: .source, tables: rules))
        let columns = [Build.Column(name: "secret", type: 25), .init(name: "v", type: 23)]
        try it.transaction(
            0x100, Build.relation(1, "public", "t", "f", columns), Build.update(1, full: ["x", "1"], ["y", "1"]),
            Build.update(1, full: ["x", "1"], ["y", "2"]))
        let lines = try it.statements()
        #expect(lines.count == 1 && !lines[0].contains("secret"), "\(lines)")
        #expect(lines.first?.hasPrefix("UPDATE \"public\".\"t\" SET \"v\" = '2' WHERE") == true)
    }

    @Test func aKeyCannotBeExcluded() throws {
        var rules = TableRules()
        rules.selection.excludeColumns = [try ColumnPattern("public.t.id")]
        let it = try Rendering(RenderOptions(tables: rules))
        let error = #expect(throws: SelectionError.self) { try it.transaction(0x100, Build.simple) }
        #expect(error?.code == .keyColumn)
        #expect(error?.message.contains("column \"id\" of table public.t") == true)
        // Of a table that is left out altogether nothing is asked.
        rules.selection.excludeTables = [try TablePattern("t")]
        try Rendering(RenderOptions(tables: rules)).transaction(0x100, Build.simple)
    }

    @Test func orderedTablesAreNotNetted() throws {
        var rules = TableRules()
        rules.ordered = [try TablePattern("t")]
        let lines = try render(rules).statements()
        #expect(lines.suffix(2).map { $0.contains("'c'") || $0.contains("'d'") } == [true, true], "\(lines)")
        #expect(try render(TableRules()).statements().filter { $0.contains("'c'") }.isEmpty)
    }
}
