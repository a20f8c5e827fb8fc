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
        #expect(try it.statements().contains("SELECT pg_catalog.txid_current();"))
        #expect(it.sink.text.contains("xact_setup('0/108'"))
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

    @Test func orderedTablesAreNotNetted() throws {
        var rules = TableRules()
        rules.ordered = [try TablePattern("t")]
        let lines = try render(rules).statements()
        #expect(lines.suffix(2).map { $0.contains("'c'") || $0.contains("'d'") } == [true, true], "\(lines)")
        #expect(try render(TableRules()).statements().filter { $0.contains("'c'") }.isEmpty)
    }
}
