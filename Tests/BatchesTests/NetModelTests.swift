import Glibc
import PgOutput
import Testing

@testable import Batches

/// Random sequences of changes, netted and applied to a dictionary, against the same changes applied one by one.
@Suite struct NetModelTests {
    /// A row: `v` and `w`, under its key.
    typealias Row = [String?]
    typealias Rows = [[String]: Row]

    /// For each of four kinds of keys; fewer where time matters more, as for tools/mutate.
    private static let sequences = getenv("WALRELAY_MODEL_SEQUENCES").flatMap { Int(String(cString: $0)) } ?? 25_000

    @Test(arguments: [false, true], [1, 2])
    func netEffectEqualsTheChangesOneByOne(isFull: Bool, keyColumns: Int) throws {
        var random = SeededGenerator(seed: 20 + UInt64(keyColumns) + (isFull ? 7 : 0))
        var states: Set<String> = []
        var barriers = 0
        for sequence in 0..<Self.sequences {
            var model = try Model(isFull: isFull, keyColumns: keyColumns)
            try model.prepare(&random)
            for _ in 0..<Int.random(in: 1...14, using: &random) { try model.step(&random) }
            for entry in model.table.entries { states.insert("\(entry.state)") }
            barriers += model.barriers
            try model.flush()
            guard model.target == model.source else {
                Issue.record("sequence \(sequence): \(model.log.joined(separator: "; "))")
                return
            }
        }
        #expect(states == ["none", "insert", "update", "delete", "replace"])
        #expect(isFull ? barriers == 0 : barriers > Self.sequences / 250, "\(barriers)")
    }
}

/// A source, the net effect of its changes so far, and a target that is strict about what may follow what.
private struct Model {
    let isFull: Bool
    let keyColumns: Int
    let table: NetTable
    var source: NetModelTests.Rows = [:]
    var target: NetModelTests.Rows = [:]
    var log: [String] = []
    var barriers = 0

    init(isFull: Bool, keyColumns: Int) throws {
        self.isFull = isFull
        self.keyColumns = keyColumns
        let keys = (0..<keyColumns).map { Relation.Column(isKey: true, name: "k\($0)", typeOID: 25) }
        let values = ["v", "w"].map { Relation.Column(isKey: isFull, name: $0, typeOID: 25) }
        let relation = Relation(
            id: 1, namespace: "s", name: "t", replicaIdentity: isFull ? .full : .primaryKey, columns: keys + values)
        let facts = RelationFacts(relation: 1, schema: "s", table: "t", primaryKey: keys.map(\.name))
        table = NetTable(try TablePlan(relation, facts: facts))
    }

    /// Rows that are there before the first change.
    mutating func prepare(_ random: inout SeededGenerator) throws {
        for _ in 0..<Int.random(in: 0...3, using: &random) {
            source[newKey(&random)] = [String(random.next() % 10), nil]
        }
        target = source
    }

    /// Few keys, some of them such that their parts could be taken for each other's.
    private func newKey(_ random: inout SeededGenerator) -> [String] {
        (0..<keyColumns).map { _ in ["", "1", "12", "2", "21"][Int.random(in: 0..<5, using: &random)] }
    }

    private func value(_ random: inout SeededGenerator) -> String? {
        random.next() % 5 == 0
            ? nil : String(repeating: "x", count: Int(random.next() % 9)) + String(random.next() % 10)
    }

    mutating func step(_ random: inout SeededGenerator) throws {
        let key = newKey(&random)
        guard let row = source[key] else {
            let row = [value(&random), value(&random)]
            source[key] = row
            return try change("insert \(key)", Build.insert(1, build(key, row))) { $0[key] = row }
        }
        if random.next() % 3 == 0 {
            source[key] = nil
            let message =
                isFull ? Build.delete(1, full: build(key, row)) : Build.delete(1, key: build(key, [nil, nil]))
            return try change("delete \(key)", message) { $0[key] = nil }
        }
        let moved = random.next() % 3 == 0 ? newKey(&random) : key
        guard moved == key || source[moved] == nil else { return }
        let keepsV = random.next() % 3 == 0
        let next = [keepsV ? row[0] : value(&random), value(&random)]
        source[key] = nil
        source[moved] = next
        var new = build(moved, next)
        if keepsV && row[0] != nil { new[keyColumns] = .unchanged }
        let old: [MessageBuilder.Value]? = moved == key && random.next() % 2 == 0 ? nil : build(key, [nil, nil])
        let message =
            isFull ? Build.update(1, full: build(key, row), new) : Build.update(1, key: old, new)
        try change("update \(key) to \(moved)\(keepsV ? " keeping v" : "")", message) {
            $0[key] = nil
            $0[moved] = next
        }
    }

    private func build(_ key: [String], _ row: NetModelTests.Row) -> [MessageBuilder.Value] {
        key.map { .text($0) } + row.map { $0.map { .text($0) } ?? .null }
    }

    private mutating func change(
        _ what: String, _ bytes: [UInt8], _ apply: (inout NetModelTests.Rows) -> Void
    ) throws {
        log.append(what)
        let isNetted = try bytes.withUnsafeBytes { raw in
            switch try Message(decoding: raw) {
            case .insert(_, let new): table.insert(new)
            case .update(_, let old, let new): table.update(old: old, new: new)
            case .delete(_, let old): table.delete(old.tuple)
            default: false
            }
        }
        guard !isNetted else { return }
        barriers += 1
        try flush()
        apply(&target)
    }

    /// Applies the net effect as the writer does: deletes, updates, inserts.
    mutating func flush() throws {
        for entry in table.entries where entry.state.deletes {
            try #require(target.removeValue(forKey: key(entry)) != nil, "\(log)")
        }
        for entry in table.entries where entry.state == .update {
            var row = try #require(target[key(entry)], "\(log)")
            for (index, value) in values(entry).enumerated() where value != .some(.unchanged) {
                row[index] = value?.text
            }
            target[key(entry)] = row
        }
        for entry in table.entries where entry.state.inserts {
            try #require(target[key(entry)] == nil, "\(log)")
            try #require(!entry.hasUnchanged, "\(log)")
            target[key(entry)] = values(entry).map { $0?.text }
        }
        table.clear()
    }

    private func key(_ entry: NetTable.Entry) -> [String] {
        var parts: [String] = []
        table.forEachKeyValue(entry) { parts.append(String(decoding: $1, as: UTF8.self)) }
        return parts
    }

    private func values(_ entry: NetTable.Entry) -> [Sent?] {
        var columns = table.row(entry).columns
        var values: [Sent?] = []
        while let value = columns.next() {
            switch value {
            case .null, .binary: values.append(nil)
            case .unchanged: values.append(.unchanged)
            case .text(let bytes): values.append(.value(String(decoding: bytes, as: UTF8.self)))
            }
        }
        return Array(values.dropFirst(keyColumns))
    }

    private enum Sent: Equatable {
        case unchanged
        case value(String)

        var text: String? { if case .value(let text) = self { text } else { nil } }
    }
}

/// Repeats the same numbers for the same seed (splitmix64).
private struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
