import Batches
import PgOutput
import Testing

/// The statements that net changes become.
@Suite struct NetStatementTests {
    private let table = "\"public\".\"t\""
    private static let arrays = "(SELECT pg_catalog.unnest(E'{1,2,3,4}'::pg_catalog.int4[]) AS c1"

    private func net(_ facts: RelationFacts? = nil, _ transactions: [[UInt8]]...) throws -> [String] {
        let it = try Rendering(RenderOptions(order: .net))
        if let facts { it.renderer.relationFacts(facts) }
        var lsn: UInt64 = 0x100
        for messages in transactions {
            try it.feed(Build.begin(lsn))
            for message in messages { try it.feed(message) }
            try it.feed(Build.commit(lsn, end: lsn + 8))
            lsn += 0x100
        }
        return try it.statements()
    }

    @Test func aRowThatChangesInManyTransactionsIsWrittenOnce() throws {
        let lines = try net(
            nil, [Build.simple, Build.update(1, ["1", "a"])], [Build.update(1, ["1", "b"])],
            [Build.update(1, ["1", "c"])])
        #expect(lines == ["UPDATE \(table) SET \"v\" = 'c' WHERE \"id\" = '1'; -- rows:1"])
    }

    @Test func aRowThatComesAndGoesIsNotWritten() throws {
        let lines = try net(nil, [Build.simple, Build.insert(1, ["1", "a"])], [Build.delete(1, key: ["1", nil])])
        #expect(lines == [])
    }

    @Test func deletesComeBeforeUpdatesBeforeInserts() throws {
        let lines = try net(
            nil,
            [
                Build.simple, Build.insert(1, ["3", "c"]), Build.update(1, ["2", "b"]),
                Build.delete(1, key: ["1", nil]),
            ])
        #expect(
            lines == [
                "DELETE FROM \(table) WHERE \"id\" = '1'; -- rows:1",
                "UPDATE \(table) SET \"v\" = 'b' WHERE \"id\" = '2'; -- rows:1",
                "INSERT INTO \(table) (\"id\",\"v\") OVERRIDING SYSTEM VALUE VALUES ('3','c'); -- rows:1",
            ])
    }

    @Test func manyRowsAreOneStatementOverArraysSortedByKey() throws {
        let keys = ["10", "-3", "9", "2"]
        let deletes = try net(nil, [Build.simple] + keys.map { Build.delete(1, key: [.text($0), nil]) })
        #expect(
            deletes == [
                "DELETE FROM \(table) AS t USING (SELECT pg_catalog.unnest(E'{-3,2,9,10}'::pg_catalog.int4[]) AS c1) AS n "
                    + "WHERE t.\"id\" = n.c1; -- rows:4"
            ])
        let values: [MessageBuilder.Value] = ["it's", "a\"b\\c", nil, "x\ny\r"]
        let updates = try net(
            nil, [Build.simple] + zip(["1", "2", "3", "4"], values).map { Build.update(1, [.text($0), $1]) })
        #expect(
            updates == [
                "UPDATE \(table) AS t SET \"v\" = n.c2 FROM \(Self.arrays),"
                    + #"pg_catalog.unnest(E'{"it''s","a\\"b\\\\c",NULL,"x\ny\r"}'::pg_catalog.text[]) AS c2) AS n "#
                    + "WHERE t.\"id\" = n.c1; -- rows:4"
            ])
    }

    @Test(arguments: ["", "null", "NULL", " 1", "1 ", "{", "}", "1,2", "\"", "\\", "'", "a\nb"])
    func whatIsNoPlainNumberIsQuoted(_ value: String) throws {
        let lines = try net(
            nil, [Build.simple] + ["1", "2", "3", .text(value)].map { Build.delete(1, key: [$0, nil]) })
        let line = try #require(lines.first)
        #expect(line.contains("\"") && line.filter { $0 == "\"" }.count >= 8, "\(line)")
        #expect(!line.contains("\n"))
    }

    @Test func typesThatHaveNoPlainArrayTravelAsText() throws {
        let layout = Build.relation(
            1, "public", "t", "d",
            [
                .init(name: "id", isKey: true, type: 70_000), .init(name: "tags", type: 1007),
                .init(name: "box", type: 603),
            ])
        let facts = RelationFacts(
            relation: 1, schema: "public", table: "t", primaryKey: ["id"],
            columns: [.init(name: "id", type: "public.citext", equalitySchema: "public")])
        let updates = (1...4).map { Build.update(1, [.text("\($0)"), "{1}", "(1,1),(0,0)"]) }
        // A cast from text to a type that is not built in may be its owner's. A literal is read by the type's input.
        #expect(
            try net(facts, [layout] + updates) == [
                "UPDATE \(table) AS t SET \"tags\" = n.c2, \"box\" = n.c3 FROM (VALUES "
                    + "('1'::public.citext,'{1}'::pg_catalog._int4,'(1,1),(0,0)'::pg_catalog.box),('2','{1}','(1,1),(0,0)'),"
                    + "('3','{1}','(1,1),(0,0)'),('4','{1}','(1,1),(0,0)')) AS n (c1,c2,c3) "
                    + "WHERE t.\"id\" OPERATOR(\"public\".=) n.c1; -- rows:4"
            ])
        // Built-in ones stand in arrays, as text that is cast where an array of arrays would lose its shape.
        let builtIn = Build.relation(
            1, "public", "t", "d",
            [.init(name: "id", isKey: true, type: 23), .init(name: "tags", type: 1007), .init(name: "box", type: 603)])
        #expect(
            try net(facts, [builtIn] + updates) == [
                "UPDATE \(table) AS t SET \"tags\" = n.c2::pg_catalog._int4, \"box\" = n.c3::pg_catalog.box FROM (SELECT "
                    + #"pg_catalog.unnest(E'{1,2,3,4}'::pg_catalog.int4[]) AS c1,"#
                    + #"pg_catalog.unnest(E'{"{1}","{1}","{1}","{1}"}'::pg_catalog.text[]) AS c2,"#
                    + #"pg_catalog.unnest(E'{"(1,1),(0,0)","(1,1),(0,0)","(1,1),(0,0)","(1,1),(0,0)"}'::pg_catalog.text[]) AS c3) AS n "#
                    + "WHERE t.\"id\" OPERATOR(\"public\".=) n.c1; -- rows:4"
            ])
        // Nobody said what the type is called: plain statements need no name.
        #expect(try net(nil, [layout] + updates).count == 4)
    }

    @Test func updatesThatSetDifferentColumnsAreDifferentStatements() throws {
        let layout = Build.relation(
            1, "public", "t", "d",
            [.init(name: "id", isKey: true, type: 23), .init(name: "a"), .init(name: "b")])
        var messages = [layout]
        for id in 1...4 { messages.append(Build.update(1, [.text("\(id)"), "a", "b"])) }
        for id in 5...8 { messages.append(Build.update(1, [.text("\(id)"), .unchanged, "b"])) }
        for id in 9...10 { messages.append(Build.update(1, [.text("\(id)"), .unchanged, .unchanged])) }
        let lines = try net(nil, messages)
        #expect(lines.count == 2)
        #expect(lines[0].hasPrefix("UPDATE \(table) AS t SET \"a\" = n.c2, \"b\" = n.c3 FROM"))
        #expect(
            lines[1].hasPrefix(
                "UPDATE \(table) AS t SET \"b\" = n.c2 FROM \(Self.arrays.replacing("1,2,3,4", with: "5,6,7,8"))"))
    }

    @Test func aValueThatWasNotSentIsWhatTheBatchKnows() throws {
        let lines = try net(
            nil, [Build.simple, Build.insert(1, ["1", "long"]), Build.update(1, ["1", .unchanged])],
            [Build.update(1, key: ["1", nil], ["2", .unchanged])])
        #expect(lines == ["INSERT INTO \(table) (\"id\",\"v\") OVERRIDING SYSTEM VALUE VALUES ('2','long'); -- rows:1"])
    }

    @Test func aNewKeyWithAnUnknownValueIsABarrier() throws {
        let lines = try net(
            nil,
            [
                Build.simple, Build.update(1, ["2", "b"]), Build.update(1, key: ["1", nil], ["5", .unchanged]),
                Build.update(1, ["5", "e"]),
            ])
        #expect(
            lines == [
                "UPDATE \(table) SET \"v\" = 'b' WHERE \"id\" = '2'; -- rows:1",
                "UPDATE \(table) SET \"id\" = '5' WHERE \"id\" = '1'; -- rows:1",
                "UPDATE \(table) SET \"v\" = 'e' WHERE \"id\" = '5'; -- rows:1",
            ])
    }

    @Test func anotherRowOfTheSameKeyIsABarrier() throws {
        // The facts name a primary key that the table did not have yet when its rows changed.
        let facts = RelationFacts(relation: 1, schema: "public", table: "t", primaryKey: ["id"])
        let layout = Build.relation(1, "public", "t", "f", [.init(name: "id", type: 23), .init(name: "v")])
        let lines = try net(facts, [layout, Build.insert(1, ["1", "x"]), Build.delete(1, full: ["1", "y"])])
        #expect(lines.count == 2 && lines[0].hasPrefix("INSERT") && lines[1].hasPrefix("DELETE"), "\(lines)")
        let moved = try net(
            facts, [layout, Build.insert(1, ["1", "x"]), Build.update(1, full: ["1", "y"], ["2", "y"])])
        #expect(moved.count == 2 && moved[1].hasPrefix("UPDATE"), "\(moved)")
        let same = try net(facts, [layout, Build.insert(1, ["1", "x"]), Build.delete(1, full: ["1", "x"])])
        #expect(same == [])
    }

    @Test func truncateComesAfterWhatWasThereAndBeforeWhatFollows() throws {
        let lines = try net(
            nil, [Build.simple, Build.update(1, ["1", "a"]), Build.truncate([1]), Build.insert(1, ["1", "b"])])
        #expect(lines.map { $0.prefix(8) } == ["UPDATE \"", "TRUNCATE", "INSERT I"])
    }

    @Test func aTableWithoutKeyAndMessagesStayInOrder() throws {
        let keyless = Build.relation(2, "public", "log", "n", [.init(name: "v")])
        let lines = try net(
            nil, [Build.simple, keyless, Build.insert(2, ["1"]), Build.message("m", []), Build.insert(2, ["2"])])
        #expect(lines.count == 3)
        #expect(lines[1].hasPrefix("-- walrelay message"))
    }

    @Test func anotherTableThatTakesTheNameComesAfterTheFirst() throws {
        let other = Build.relation(
            9, "public", "t", "d", [.init(name: "id", isKey: true, type: 23), .init(name: "v")])
        let lines = try net(
            nil, [Build.simple, Build.delete(1, key: ["1", nil])], [other, Build.insert(9, ["1", "x"])],
            [
                Build.simple.map { $0 },
                Build.relation(1, "public", "old", "d", [.init(name: "id", isKey: true, type: 23)]),
            ])
        #expect(lines.map { $0.prefix(6) } == ["DELETE", "INSERT"])
        // Were they one, the delete and the insert of key 1 would have come the other way round here.
        let reversed = try net(
            nil, [Build.simple, Build.insert(1, ["1", "x"])], [other, Build.delete(9, key: ["1", nil])])
        #expect(reversed.map { $0.prefix(6) } == ["INSERT", "DELETE"])
    }

    @Test func anAbandonedTransactionLeavesNothing() throws {
        let it = try Rendering(RenderOptions(order: .net))
        try it.transaction(0x100, Build.simple, Build.update(1, ["1", "a"]))
        try it.feed(Build.begin(0x200), Build.update(1, ["1", "zzz"]), Build.delete(1, key: ["2", nil]))
        try it.transaction(0x200, Build.update(1, ["3", "c"]))
        #expect(try it.statements().map { $0.suffix(30) }.count == 2)
        #expect(!it.sink.text.contains("zzz"))
    }

    @Test func aLayoutThatCameInAnAbandonedTransactionIsABarrier() throws {
        let it = try Rendering(RenderOptions(order: .net))
        let keyless = Build.relation(1, "public", "t", "f", [.init(name: "id", type: 23), .init(name: "v")])
        try it.transaction(0x100, Build.simple, Build.update(1, ["1", "a"]))
        try it.feed(Build.begin(0x200), keyless, Build.update(1, full: ["1", "a"], ["1", "zzz"]))
        try it.transaction(0x200, keyless, Build.update(1, full: ["1", "a"], ["1", "b"]))
        let lines = try it.statements()
        #expect(lines.count == 2)
        #expect(lines[0] == "UPDATE \(table) SET \"v\" = 'a' WHERE \"id\" = '1'; -- rows:1")
        #expect(lines[1].hasPrefix("UPDATE \(table) SET \"v\" = 'b' WHERE ctid = "))
    }

    @Test func aKeyOfWhichAComputedColumnIsMissingIdentifiesNothing() throws {
        func facts(_ primary: [String], _ unique: [String]) -> RelationFacts {
            RelationFacts(
                relation: 1, schema: "public", table: "t", primaryKey: primary,
                uniqueIndexes: unique.isEmpty ? [] : [.init(name: "u", columns: unique)],
                columns: [
                    .init(name: "id", type: "integer"), .init(name: "v", type: "text"),
                    .init(name: "twice", type: "integer", isGenerated: true),
                ])
        }
        // Two rows with the same id would be taken for one.
        let messages = [Build.simple, Build.insert(1, ["1", "a"]), Build.delete(1, key: ["1", nil])]
        for facts in [facts(["id", "twice"], []), facts([], ["twice", "id"])] {
            let error = #expect(throws: BatchError.self) { try net(facts, messages) }
            #expect(error?.code == .noReplicaIdentity)
        }
        #expect(try net(facts(["id"], ["id", "twice"]), messages) == [])
        #expect(try net(facts([], ["id"]), messages).isEmpty)
    }

    @Test func aLargeTransactionIsWrittenInSeveralFlushesOfOneBatch() throws {
        let it = try Rendering(RenderOptions(order: .net, maxBytes: 4 << 10))
        try it.feed(Build.begin(0x100), Build.simple)
        for id in 0..<400 {
            try it.feed(Build.update(1, [.text("\(id % 7)"), .text(String(repeating: "v", count: 40))]))
        }
        try it.feed(Build.commit(0x100, end: 0x108))
        let lines = try it.body()
        #expect(lines.filter { $0 == "BEGIN;" }.count == 1 && lines.filter { $0 == "COMMIT;" }.count == 1)
        #expect(lines.filter { $0.hasPrefix("UPDATE") }.count > 3)
        #expect(lines.allSatisfy { $0.utf8.count < 4 << 10 })
    }
}
