import Selection
import Testing

/// Names and patterns mean what they mean to psql.
@Suite struct PatternTests {
    @Test(arguments: [
        ("orders", "orders", true), ("Orders", "orders", true), ("Orders", "Orders", false),
        ("\"Orders\"", "Orders", true), ("\"Orders\"", "orders", false), ("FOO\"FOO\"BAR", "fooFOObar", true),
        ("\"FOO\"\"BAR\"", "FOO\"BAR", true), ("ord*", "orders", true), ("ord*", "ord", true), ("ord*", "word", false),
        ("*", "anything at all", true), ("?", "é", true), ("?", "ab", false), ("o?d*s", "orders", true),
        ("*a*b*c", "xxaxxbxxbxxc", true), ("*a*b*c", "xxaxxbxxbxx", false), ("\"a*\"", "a*", true),
        ("\"a*\"", "ab", false), ("\"?\"*", "?x", true), ("\"?\"*", "xx", false), ("tab$1", "tab$1", true),
        ("uuid-ossp", "uuid-ossp", true), ("\"a.b\"", "a.b", true), ("Ä", "Ä", true), ("Ä", "ä", false),
        ("~/^tmp_[0-9]+$/", "tmp_42", true), ("~/^tmp_[0-9]+$/", "tmp_x", false), ("~/mid/", "a mid b", true),
        ("~/^.$/", "é", true), ("~/A/", "a", false),
    ])
    func aNamePattern(_ pattern: String, _ name: String, _ matches: Bool) throws {
        #expect(try NamePattern(pattern).matches(name) == matches)
    }

    @Test(arguments: [
        ("s.t", "s", "t", true), ("s.t", "x", "t", false), ("s.t", "s", "x", false), ("t", "any", "t", true),
        ("S.T", "s", "t", true), ("\"S\".t*", "S", "tee", true), ("*.t", "any", "t", true), ("s.*", "s", "any", true),
        ("\"a.b\".c", "a.b", "c", true), ("a.\"b.c\"", "a", "b.c", true), ("~/^log/.audit", "log2", "audit", true),
        ("public.~/^tmp_/", "public", "tmp_1", true), ("public.~/^tmp_/", "public", "atmp_1", false),
        ("~/a.b/.~/c/", "axb", "c", true), ("~/a/b/.t", "a/b", "t", true),
    ])
    func aTablePattern(_ pattern: String, _ schema: String, _ table: String, _ matches: Bool) throws {
        #expect(try TablePattern(pattern).matches(schema: schema, table: table) == matches)
    }

    @Test(arguments: [
        "", ".", "a.", ".a", "a.b.c", "\"a", "a.\"b", "\"\"", "a.\"\"", "a b", "a.b c", "t[0-9]", "(a|b)", "a+", "^a",
        "a\\b", "~/a", "~//", "a.~/b",
    ])
    func whatIsNoPatternIsRefused(_ text: String) throws {
        let error = try #require(#expect(throws: SelectionError.self) { try TablePattern(text) })
        #expect(error.code == .invalidPattern)
    }

    @Test func anExpressionThatIsNoneIsRefused() throws {
        let error = try #require(#expect(throws: SelectionError.self) { try NamePattern("~/a(/") })
        #expect(error.code == .invalidRegularExpression)
        #expect(error.message.contains("a("))
    }

    @Test func aSchemaPatternHasNoDot() throws {
        #expect(throws: SelectionError.self) { try NamePattern("a.b") }
        #expect(try NamePattern("\"a.b\"").matches("a.b"))
    }

    /// Each `*` may be tried at each place once: a long name must not take for ever.
    @Test func manyStarsTakeNoTime() throws {
        let pattern = try NamePattern(String(repeating: "a*", count: 30) + "b")
        #expect(!pattern.matches(String(repeating: "a", count: 2_000)))
    }

    @Test func anExpressionReadsBytesInPlace() throws {
        let expression = try RegularExpression("^b+$")
        Array("abbbc".utf8).withUnsafeBytes { bytes in
            #expect(!expression.matches(bytes))
            #expect(expression.matches(UnsafeRawBufferPointer(rebasing: bytes[1..<4])))
            #expect(!expression.matches(UnsafeRawBufferPointer(rebasing: bytes[1..<5])))
        }
        #expect(try RegularExpression("^$").matches(UnsafeRawBufferPointer(start: nil, count: 0)))
        #expect(try !RegularExpression(".").matches(""))
    }

    @Test func operationsAreNamedWithCommas() throws {
        #expect(try Operations("insert,DELETE, update") == [.insert, .delete, .update])
        #expect(try Operations("truncate") == .truncate)
        for text in ["", "insert,", "merge", "insert;delete"] {
            let error = try #require(#expect(throws: SelectionError.self) { try Operations(text) })
            #expect(error.code == .unknownOperation)
        }
    }

    @Test func columnsHaveTheirTables() throws {
        var selection = Selection()
        selection.excludeColumns = [try ColumnPattern("shop.orders.card*"), try ColumnPattern("people.\"e.mail\"")]
        func excluded(_ schema: String, _ table: String, keys: [String] = []) throws -> Set<Int> {
            try selection.excludedColumns(
                schema: schema, table: table, columns: ["id", "card", "card_name", "e.mail"], keys: keys)
        }
        #expect(try excluded("shop", "orders") == [1, 2])
        #expect(try excluded("shop2", "orders") == [])
        #expect(try excluded("any", "people", keys: ["id"]) == [3])
        #expect(throws: SelectionError.self) { try excluded("shop", "orders", keys: ["id", "card"]) }
        for wrong in ["", "column", "a.b.c.d", "a..c", "a.b.", "a.[b]"] {
            #expect(throws: SelectionError.self, "\(wrong)") { try ColumnPattern(wrong) }
        }
    }
}
