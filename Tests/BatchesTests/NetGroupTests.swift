import Batches
import PgOutput
import Testing

/// How net changes are put together as statements, and what is none.
@Suite struct NetGroupTests {
    private let table = "\"public\".\"t\""

    private func net(_ facts: RelationFacts? = nil, _ messages: [[UInt8]]) throws -> [String] {
        let it = try Rendering(RenderOptions(order: .net))
        if let facts { it.renderer.relationFacts(facts) }
        try it.feed(Build.begin(0x100))
        for message in (facts == nil ? [Build.simple] : []) + messages { try it.feed(message) }
        try it.feed(Build.commit(0x100, end: 0x108))
        return try it.statements()
    }

    @Test func changesThatCannotFollowAreWrittenAsTheyCame() throws {
        let insert = Build.insert(1, ["1", "a"])
        let update = Build.update(1, ["1", "b"])
        let delete = Build.delete(1, key: ["1", nil])
        let move = Build.update(1, key: ["2", nil], ["1", "c"])
        // The target says what is wrong, and replay that a row is missing: nothing is netted away.
        for changes in [
            [insert, insert], [update, insert], [delete, insert, insert], [delete, update], [delete, delete],
            [insert, move], [delete, Build.update(1, key: ["1", nil], ["2", "c"])],
        ] {
            let lines = try net(nil, changes)
            #expect(lines.count == changes.count, "\(lines)")
        }
    }

    @Test func aKeyThatWasNotSentIsInTheOldOne() throws {
        let lines = try net(
            nil,
            [
                Build.update(1, key: ["1", nil], [.unchanged, "a"]),
                Build.update(1, key: ["1", nil], [.unchanged, "b"]),
            ])
        #expect(lines == ["UPDATE \(table) SET \"v\" = 'b' WHERE \"id\" = '1'; -- rows:1"])
    }

    @Test func updatesBeyondTheMostGroupsAreWritten() throws {
        let columns = (0..<5).map { MessageBuilder.Column(name: "c\($0)") }
        let layout = Build.relation(1, "public", "t", "d", [.init(name: "id", isKey: true, type: 23)] + columns)
        // The last sets nothing at all, and is no statement.
        let updates = (Array(1..<32) + [64]).map { pattern in
            Build.update(
                1, [.text("\(pattern)")] + (0..<5).map { pattern & (1 << $0) != 0 ? "x" : .unchanged })
        }
        let lines = try net(nil, [layout] + updates)
        #expect(lines.count == 31)
        for pattern in 1..<32 {
            let sets = (0..<5).filter { pattern & (1 << $0) != 0 }.map { "\"c\($0)\" = 'x'" }
            let line = "UPDATE \(table) SET \(sets.joined(separator: ", ")) WHERE \"id\" = '\(pattern)'; -- rows:1"
            #expect(lines.contains(line))
        }
    }

    @Test func statementsOverArraysHaveAnEnd() throws {
        let deletes = try net(nil, (0..<10_003).map { Build.delete(1, key: [.text("\($0)"), nil]) })
        try #require(deletes.count == 2)
        #expect(deletes[0].hasSuffix(" -- rows:10000") && deletes[1].hasSuffix(" -- rows:3"))
        #expect(deletes[1].contains("E'{10000,10001,10002}'"))
        let updates = try net(nil, (0..<10_004).map { Build.update(1, [.text("\($0)"), .text("v\($0)")]) })
        try #require(updates.count == 2)
        #expect(updates[1].contains("E'{10000,10001,10002,10003}'") && updates[1].hasSuffix(" -- rows:4"))
        let wide = String(repeating: "w", count: 300_000)
        let wideUpdates = try net(nil, (0..<5).map { Build.update(1, [.text("\($0)"), .text(wide)]) })
        #expect(wideUpdates.map { $0.suffix(7) } == [" rows:4", " rows:1"].map { $0.suffix(7) })
    }

    @Test func insertsSayHowManyTheyAre() throws {
        let three = try net(nil, (0..<3).map { Build.insert(1, [.text("\($0)"), nil]) })
        #expect(three.count == 1 && three[0].hasSuffix("('0',NULL),('1',NULL),('2',NULL); -- rows:3"))
        let nine = try net(nil, (0..<9).map { Build.insert(1, [.text("\($0)"), nil]) })
        #expect(nine.count == 11 && nine[0].hasSuffix(" FROM stdin; -- rows:9") && nine[10] == "\\.")
    }

    @Test(arguments: [1, 4]) func whatIsComputedIsNotSet(rows: Int) throws {
        let layout = Build.relation(
            1, "public", "t", "d", [.init(name: "id", isKey: true, type: 23), .init(name: "v"), .init(name: "w")])
        let facts = RelationFacts(
            relation: 1, schema: "public", table: "t", primaryKey: ["id"],
            columns: [.init(name: "v", type: "text", isGenerated: true), .init(name: "w", type: "text")])
        let lines = try net(facts, [layout] + (0..<rows).map { Build.update(1, [.text("\($0)"), "computed", "w"]) })
        #expect(lines.count == 1 && lines[0].contains("SET \"w\" = ") && !lines[0].contains("computed"))
    }

    @Test(arguments: [1, 4]) func anUpdateThatSetsNothingIsNoStatement(rows: Int) throws {
        let lines = try net(nil, (0..<rows).map { Build.update(1, [.text("\($0)"), .unchanged]) })
        #expect(lines == [])
    }

    @Test func whatWasWrittenInOrderComesBeforeWhatIsNettedAfterIt() throws {
        let insert = Build.insert(1, ["1", "a"])
        let lines = try net(nil, [insert, insert, Build.update(1, ["1", "b"])])
        #expect(lines.map { $0.prefix(6) } == ["INSERT", "INSERT", "UPDATE"])
    }

    @Test func aTableWithoutKeyThatTakesTheNameComesAfterTheFirst() throws {
        let other = Build.relation(9, "public", "t", "f", [.init(name: "id", type: 23), .init(name: "v")])
        let lines = try net(nil, [Build.delete(1, key: ["1", nil]), other, Build.insert(9, ["1", "x"])])
        #expect(lines.map { $0.prefix(6) } == ["DELETE", "INSERT"])
    }

    @Test func anIdentityOutsideTheKeyIsReplacedInOrder() throws {
        let facts = RelationFacts(
            relation: 1, schema: "public", table: "t", primaryKey: ["id"],
            columns: [.init(name: "v", type: "integer", identity: "a")])
        let lines = try net(facts, [Build.simple, Build.update(1, ["1", "2"])])
        #expect(lines.count == 1 && lines[0].hasPrefix("WITH replaced AS (DELETE FROM"), "\(lines)")
    }
}
