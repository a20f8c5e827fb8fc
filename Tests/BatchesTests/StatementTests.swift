import Batches
import PgOutput
import Testing

@Suite struct StatementTests {
    private let table = "\"public\".\"t\""

    private func render(
        _ facts: RelationFacts? = nil, _ messages: [UInt8]...
    ) throws -> [String] {
        let it = try Rendering()
        if let facts { it.renderer.relationFacts(facts) }
        try it.feed(Build.begin(0x100))
        for message in messages { try it.feed(message) }
        try it.feed(Build.commit(0x100, end: 0x108))
        return try it.statements()
    }

    private func facts(
        kind: String = "r", hasChildren: Bool = false, primaryKey: [String] = [], _ columns: [RelationFacts.Column] = []
    ) -> RelationFacts {
        RelationFacts(
            relation: 1, schema: "public", table: "t", kind: kind, hasChildren: hasChildren, primaryKey: primaryKey,
            columns: columns)
    }

    @Test func sevenInsertsAreValuesAndEightAreCopy() throws {
        let row = Build.insert(1, ["1", nil])
        let seven = try render(nil, Build.simple, row, row, row, row, row, row, row)
        #expect(seven.count == 1 && seven[0].hasSuffix(",('1',NULL); -- rows:7"))
        let hostile = Build.insert(1, ["\\.", "a\tb\n\\N\r"])
        let eight = try render(nil, Build.simple, row, row, row, row, row, row, row, hostile)
        #expect(eight.first == "COPY \"public\".\"t\" (\"id\",\"v\") FROM stdin; -- rows:8")
        #expect(eight[1] == "1\t\\N")
        #expect(Array(eight.suffix(2)) == ["\\\\.\ta\\tb\\n\\\\N\\r", "\\."])
    }

    @Test func valuesStayOnOneLineAndInTheirPlace() throws {
        let lines = try render(
            nil, Build.simple, Build.insert(1, ["'", "it's :x $$ -- \\. \\"]), Build.insert(1, ["a\nb'\\", "\r"]),
            Build.insert(1, ["", .text(String(repeating: "x", count: 60) + "\n\\!'")]),
            Build.insert(1, ["null", .text(String(repeating: "'", count: 60))]))
        let long = String(repeating: "x", count: 60)
        let quotes = String(repeating: "'", count: 122)
        #expect(
            lines == [
                "INSERT INTO \(table) (\"id\",\"v\") OVERRIDING SYSTEM VALUE VALUES ('''','it''s :x $$ -- \\. \\'),"
                    + "(E'a\\nb''\\\\',E'\\r'),('',E'\(long)\\n\\\\!'''),('null',\(quotes)); -- rows:4"
            ])
    }

    @Test func namesStayOnOneLineAndInTheirPlace() throws {
        let layout = Build.relation(
            1, "s\"", "t\n\\\";", "d", [.init(name: "k--:x", isKey: true), .init(name: "\r'")])
        let lines = try render(nil, layout, Build.update(1, ["1", "2"]))
        #expect(
            lines == [
                "UPDATE \"s\"\"\".U&\"t\\000a\\\\\"\";\" SET U&\"\\000d'\" = '2' WHERE \"k--:x\" = '1'; -- rows:1"
            ])
    }

    @Test func updatesSetWhatWasSent() throws {
        let prefix = "UPDATE \"public\".\"t\" SET "
        #expect(
            try render(
                nil, Build.simple, Build.update(1, ["1", "a"]), Build.update(1, key: ["1", nil], ["2", .unchanged]),
                Build.update(1, key: ["2", nil], ["2", nil]), Build.update(1, ["2", .unchanged])) == [
                    prefix + "\"v\" = 'a' WHERE \"id\" = '1'; -- rows:1",
                    prefix + "\"id\" = '2' WHERE \"id\" = '1'; -- rows:1",
                    prefix + "\"v\" = NULL WHERE \"id\" = '2'; -- rows:1",
                ])
    }

    @Test func aBatchWithoutStatementsStillMovesThePosition() throws {
        #expect(try render(nil, Build.simple, Build.update(1, ["2", .unchanged])).isEmpty)
        #expect(
            try render(nil, Build.message("p\n\u{2028}\"", Array("x\\".utf8)), Build.message("b", [0xFF])) == [
                "-- walrelay message {\"transactional\":true,\"lsn\":\"0/42\",\"prefix\":\"p\\n\\u2028\\\"\","
                    + "\"content\":\"x\\\\\"}",
                "-- walrelay message {\"transactional\":true,\"lsn\":\"0/42\",\"prefix\":\"b\","
                    + "\"content_base64\":\"/w==\"}",
            ])
        #expect(try render(nil, Build.origin("o\n"))[0] == "-- walrelay origin {\"name\":\"o\\n\",\"lsn\":\"0/99\"}")
    }

    @Test func generatedColumnsAreLeftOut() throws {
        let generated = facts([.init(name: "v", type: "text", isGenerated: true)])
        #expect(
            try render(
                generated, Build.simple, Build.insert(1, ["1", "g"]), Build.update(1, ["1", "g"]),
                Build.update(1, key: ["1", nil], ["2", "g"])) == [
                    "INSERT INTO \"public\".\"t\" (\"id\") OVERRIDING SYSTEM VALUE VALUES ('1'); -- rows:1",
                    "UPDATE \"public\".\"t\" SET \"id\" = '2' WHERE \"id\" = '1'; -- rows:1",
                ])
        let empty = Build.relation(1, "public", "t", "f", [])
        #expect(
            try render(nil, empty, Build.insert(1, []), Build.delete(1)) == [
                "INSERT INTO \"public\".\"t\" DEFAULT VALUES; -- rows:1",
                "DELETE FROM \"public\".\"t\" WHERE ctid = (SELECT ctid FROM \"public\".\"t\" LIMIT 1); -- rows:1",
            ])
    }

    @Test func identityColumnsAreReplacedOnlyWhenTheyMayChange() throws {
        let always = facts([.init(name: "id", type: "integer", identity: "a")])
        let lines = try render(
            always, Build.simple, Build.update(1, ["1", "a"]), Build.update(1, key: ["1", nil], ["2", .unchanged]))
        #expect(
            lines == [
                "UPDATE \"public\".\"t\" SET \"v\" = 'a' WHERE \"id\" = '1'; -- rows:1",
                "WITH replaced AS (DELETE FROM \(table) WHERE \"id\" = '1' RETURNING *) INSERT INTO \(table) "
                    + "(\"id\",\"v\") OVERRIDING SYSTEM VALUE SELECT '2',replaced.\"v\" FROM replaced; -- rows:1",
            ])
    }

    @Test func tablesWithChildrenSayOnly() throws {
        let lines = try render(
            facts(hasChildren: true), Build.simple, Build.insert(1, ["1", "a"]), Build.update(1, ["1", "b"]),
            Build.delete(1, key: ["1", nil]), Build.truncate([1], flags: 3))
        #expect(lines[0].hasPrefix("INSERT INTO \"public\".\"t\""))
        #expect(lines[1].hasPrefix("UPDATE ONLY \"public\".\"t\" SET"))
        #expect(lines[2].hasPrefix("DELETE FROM ONLY \"public\".\"t\" WHERE"))
        #expect(lines[3] == "TRUNCATE ONLY \"public\".\"t\" RESTART IDENTITY CASCADE;")
    }

    @Test func truncateIsOneStatement() throws {
        let other = Build.relation(2, "", "u", "d", [.init(name: "x")])
        #expect(
            try render(nil, Build.simple, other, Build.truncate([1, 2])) == [
                "TRUNCATE \"public\".\"t\", \"pg_catalog\".\"u\";"
            ])
    }

    @Test func keysOfExtensionTypesUseTheirOwnEquality() throws {
        let layout = Build.relation(1, "public", "t", "d", [.init(name: "k", isKey: true, type: 20_000)])
        let citext = facts([.init(name: "k", type: "public.citext", equalitySchema: "public")])
        #expect(
            try render(citext, layout, Build.delete(1, key: ["a"])) == [
                "DELETE FROM \"public\".\"t\" WHERE \"k\" OPERATOR(\"public\".=) 'a'::public.citext; -- rows:1"
            ])
        for (type, cast) in [
            ("odd.\"a\nb\"[]", "odd.U&\"a\\000ab\"[]"), ("\"a\"\"\r\".\"b\\\"", "U&\"a\"\"\\000d\".\"b\\\""),
            ("app.code(5)", "app.code(5)"), ("ü.\"A b\"", "ü.\"A b\""),
        ] {
            let lines = try render(facts([.init(name: "k", type: type)]), layout, Build.delete(1, key: ["a"]))
            #expect(lines == ["DELETE FROM \"public\".\"t\" WHERE \"k\" = 'a'::\(cast); -- rows:1"])
        }
        for hostile in ["a;b", "a) or (true", "\"a\"(1", "a or b", "x'", "\"open", ""] {
            let lines = try render(
                facts([.init(name: "k", type: hostile)]), layout, Build.delete(1, key: ["a"]))
            #expect(lines == [Self.byText], "\(hostile)")
        }
    }

    private static let byText =
        "DELETE FROM \"public\".\"t\" WHERE pg_catalog.concat(\"k\") COLLATE \"C\" = 'a'; -- rows:1"

    /// Otherwise `=` with an untyped literal is that of text, by a cast that the type's owner made.
    @Test func keysWithoutAnEqualityOfTheirOwnAreComparedByTheirText() throws {
        let layout = Build.relation(1, "public", "t", "d", [.init(name: "k", isKey: true, type: 20_000)])
        let mood = facts([.init(name: "k", type: "public.mood", hasAmbiguousEquality: true)])
        for facts in [mood, facts([.init(name: "renamed", type: "public.mood")])] {
            #expect(try render(facts, layout, Build.delete(1, key: ["a"])) == [Self.byText])
        }
    }

    private let full = Build.relation(
        1, "public", "t", "f", [.init(name: "i", isKey: true, type: 23), .init(name: "v", isKey: true)])

    @Test func fullIdentityTouchesOneRow() throws {
        let row = "\"i\" = '1' AND \"v\" = 'a' AND pg_catalog.concat(\"v\") COLLATE \"C\" = 'a' LIMIT 1)"
        #expect(
            try render(
                nil, full, Build.update(1, full: ["1", "a"], ["1", "b"]),
                Build.update(1, full: ["1", "a"], ["1", "a"]),
                Build.delete(1, full: ["1", nil]), Build.delete(1, full: ["1", .unchanged])) == [
                    "UPDATE \(table) SET \"v\" = 'b' WHERE ctid = (SELECT ctid FROM \(table) WHERE \(row); "
                        + "-- rows:1",
                    "DELETE FROM \(table) WHERE ctid = (SELECT ctid FROM \(table) WHERE \"i\" = '1' AND \"v\" "
                        + "IS NULL LIMIT 1); -- rows:1",
                    "DELETE FROM \(table) WHERE ctid = (SELECT ctid FROM \(table) WHERE \"i\" = '1' LIMIT 1); "
                        + "-- rows:1",
                ])
        let partitioned = try render(facts(kind: "p"), full, Build.delete(1, full: ["1", "a"]))
        #expect(
            partitioned == [
                "DELETE FROM \(table) WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM \(table) WHERE "
                    + "\(row); -- rows:1"
            ])
    }

    @Test func fullIdentityUsesThePrimaryKeyItKnows() throws {
        let known = facts(primaryKey: ["i"])
        #expect(
            try render(
                known, full, Build.update(1, full: ["1", "a"], ["2", "a"]), Build.delete(1, full: ["2", "a"])) == [
                    "UPDATE \"public\".\"t\" SET \"i\" = '2' WHERE \"i\" = '1'; -- rows:1",
                    "DELETE FROM \"public\".\"t\" WHERE \"i\" = '2'; -- rows:1",
                ])
        let missing = try render(facts(primaryKey: ["gone"]), full, Build.delete(1, full: ["2", "a"]))
        #expect(missing[0].contains("ctid"))
    }

    @Test func floatsAreComparedByTheirBits() throws {
        let layout = Build.relation(1, "public", "t", "f", [.init(name: "f", type: 701), .init(name: "j", type: 114)])
        let lines = try render(nil, layout, Build.delete(1, full: ["-0", "{}"]))
        #expect(
            lines[0].contains(
                "WHERE \"f\" = '-0' AND pg_catalog.float8send(\"f\") = pg_catalog.float8send('-0') AND "
                    + "pg_catalog.concat(\"j\") COLLATE \"C\" = '{}' LIMIT 1)"))
    }

    @Test func anEmptyTextIsNotNull() throws {
        let layout = Build.relation(1, "public", "t", "f", [.init(name: "q", type: 3615)])
        let lines = try render(nil, layout, Build.delete(1, full: [""]), Build.delete(1, full: [nil]))
        #expect(
            lines[0].contains("WHERE \"q\" IS DISTINCT FROM NULL AND pg_catalog.concat(\"q\") COLLATE \"C\" = '' LIMIT")
        )
        #expect(lines[1].contains("WHERE \"q\" IS NOT DISTINCT FROM NULL LIMIT"))
    }

    @Test func aNewLayoutReplacesTheOld() throws {
        let changed = Build.relation(1, "public", "t2", "d", [.init(name: "id", isKey: true)])
        let lines = try render(nil, Build.simple, Build.insert(1, ["1", "a"]), changed, Build.insert(1, ["2"]))
        #expect(lines.count == 2 && lines[1].contains("\"t2\" (\"id\") "))
    }
}
