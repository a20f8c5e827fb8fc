import Batches
import PgOutput
import Testing

/// The division of statements into lanes.
@Suite struct LaneTests {
    private func lines(lanes: Int = 3, facts: RelationFacts? = nil, _ transactions: [[UInt8]]...) throws -> [String] {
        let it = try Rendering(RenderOptions(order: .net, lanes: lanes))
        if let facts { it.renderer.relationFacts(facts) }
        for (number, messages) in transactions.enumerated() {
            let lsn = UInt64(number + 1) * 0x100
            try it.feed(Build.begin(lsn))
            for message in messages { try it.feed(message) }
            try it.feed(Build.commit(lsn, end: lsn + 8))
        }
        return try it.statements()
    }

    /// The number behind ` lane:`; 0 where there is none.
    private func lane(_ line: String) -> Int {
        line.split(separator: " lane:", maxSplits: 1).dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private static let keys = (1...40).map(String.init)

    @Test func aKeyHasOneLaneWhateverHappensToIt() throws {
        var lanes: [String: Set<Int>] = [:]
        let changes: [(String) -> [UInt8]] = [
            { Build.insert(1, [.text($0), "a"]) }, { Build.update(1, [.text($0), "b"]) },
            { Build.delete(1, key: [.text($0), nil]) },
        ]
        for change in changes {
            for key in Self.keys {
                let written = try lines([Build.simple, change(key)])
                #expect(written.count <= 1)
                lanes[key, default: []].formUnion(written.map(lane))
            }
        }
        #expect(lanes.values.allSatisfy { $0.count == 1 })
        #expect(Set(lanes.values.flatMap { $0 }) == [0, 1, 2], "every lane has some")
    }

    /// After a crash the lanes of the next run must be those of the last: a change here needs another way to tell what an
    /// older version left.
    @Test func theDivisionStaysWhatItIs() throws {
        let written = try Self.keys.prefix(12).map {
            lane(try lines([Build.simple, Build.insert(1, [.text($0), "a"])])[0])
        }
        #expect(written == [1, 1, 2, 1, 0, 2, 1, 1, 1, 1, 0, 1])
        let long = String(repeating: "k", count: 30)
        #expect(try lane(lines(lanes: 64, [Build.simple, Build.insert(1, [.text(long), "a"])])[0]) == 30)
    }

    @Test func manyRowsAreOneStatementForEachLane() throws {
        let updates = try lines([Build.simple] + Self.keys.map { Build.update(1, [.text($0), "x"]) })
        #expect(updates.map(lane) == [0, 1, 2])
        let inserts = try lines([Build.simple] + Self.keys.map { Build.insert(1, [.text($0), "x"]) })
        #expect(inserts.filter { $0.hasPrefix("COPY") }.map(lane) == [0, 1, 2])
        let counts = inserts.filter { $0.hasPrefix("COPY") }.compactMap { line in
            line.split(separator: "rows:").last?.split(separator: " ").first.flatMap { Int($0) }
        }
        #expect(counts.reduce(0, +) == Self.keys.count && counts.count == 3)
    }

    @Test func aTableWithoutAKeyHasOneLane() throws {
        let columns = [Build.Column(name: "id"), Build.Column(name: "v")]
        let layout = Build.relation(1, "public", "keyless", "f", columns)
        let written = try lines(
            [layout]
                + Self.keys.flatMap { key -> [[UInt8]] in
                    [Build.insert(1, [.text(key), "a"]), Build.delete(1, full: [.text(key), "a"])]
                })
        #expect(Set(written.map(lane)).count == 1)
        #expect(!written.contains("-- walrelay barrier {}"))
    }

    @Test func rowsThatNothingIdentifiesGoEveryWay() throws {
        let layout = Build.relation(1, "public", "history", "d", [Build.Column(name: "id")])
        let written = try lines([layout] + Self.keys.map { Build.insert(1, [.text($0)]) })
        #expect(written.filter { $0.hasPrefix("COPY") }.map(lane) == [0, 1, 2])
    }

    @Test func whatDependsOnOtherLanesStandsBehindABarrier() throws {
        let truncated = try lines([Build.simple, Build.insert(1, ["1", "a"]), Build.truncate([1])])
        #expect(truncated.suffix(2).first == "-- walrelay barrier {}")
        #expect(truncated.last?.hasPrefix("TRUNCATE") == true)
        // The row moves to another key, and so perhaps to another lane.
        let moved = try lines([Build.simple, Build.update(1, key: ["1", nil], ["2", .unchanged])])
        #expect(moved.first == "-- walrelay barrier {}" && moved.count == 2)
        // One that is known becomes a delete and an insert, which do not depend on one another.
        let known = try lines([Build.simple, Build.update(1, key: ["1", nil], ["2", "b"])])
        #expect(known.count == 2 && !known.contains("-- walrelay barrier {}"))
    }

    @Test func anotherLayoutOfATableStandsBehindABarrier() throws {
        let full = Build.relation(
            1, "public", "t", "f", [Build.Column(name: "id", type: 23), Build.Column(name: "v")])
        let written = try lines([full, Build.insert(1, ["1", "a"])], [Build.simple, Build.update(1, ["1", "b"])])
        #expect(written.count == 3 && written[1] == "-- walrelay barrier {}", "\(written)")
    }

    @Test func oneLaneIsWrittenAsEver() throws {
        let written = try lines(
            lanes: 1, [Build.simple] + Self.keys.map { Build.update(1, [.text($0), "x"]) } + [Build.truncate([1])])
        #expect(written.count == 2 && !written.joined().contains("lane") && !written.joined().contains("barrier"))
    }
}
