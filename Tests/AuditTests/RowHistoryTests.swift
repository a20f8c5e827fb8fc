import Audit
import PgOutput
import Spool
import Testing

/// One row is followed through its life, and no other.
@Suite struct RowHistoryTests {
    private func history(_ key: [RowHistory.KeyPart], _ messages: [[UInt8]]) throws -> [String] {
        let log = try TestLog()
        try log.transaction(1, messages)
        var history = RowHistory(key)
        var walker = LogWalker()
        let layouts = walker.layouts
        var roles: [String] = []
        let reader = try RangeReader(path: log.spool.path)
        while case .chunk(let chunk, let role) = try reader.next() {
            try walker.take(chunk, role) { event in
                guard case .change(let message, _, let transaction, _) = event else { return }
                if let role = try history.role(of: message, layouts) {
                    roles.append("\(transaction.changes) \(role.rawValue)")
                }
            }
        }
        return roles
    }

    private let relation = Wire.relation(1, "t", ["id*", "v"])
    private func part(_ text: String, _ column: String? = nil) -> RowHistory.KeyPart {
        RowHistory.KeyPart(column: column, text: Array(text.utf8))
    }

    @Test func throughKeyChanges() throws {
        let messages = [
            relation, Wire.insert(1, ["1", "a"]), Wire.insert(1, ["2", "b"]), Wire.update(1, ["1", "c"]),
            Wire.update(1, ["2", "c"]), Wire.update(1, key: ["1", nil], ["7", "c"]), Wire.insert(1, ["1", "new"]),
            Wire.update(1, ["7", "d"]), Wire.update(1, key: ["7", nil], ["8", .unchanged]),
            Wire.delete(1, key: ["1", nil]), Wire.delete(1, key: ["8", nil]), Wire.insert(1, ["1", "again"]),
            Wire.truncate([1]), Wire.update(1, key: ["5", nil], ["1", "x"]),
        ]
        #expect(
            try history([part("1")], messages) == [
                "1 inserted", "3 updated", "5 moved", "6 other row", "7 updated", "8 moved", "10 deleted",
                "11 inserted", "12 truncated", "13 arrived",
            ])
        #expect(try history([part("2", "id")], messages) == ["2 inserted", "4 updated", "12 truncated"])
    }

    @Test func aKeyOfSeveralColumns() throws {
        let relation = Wire.relation(1, "t", ["a*", "b*", "v"])
        let messages = [
            relation, Wire.insert(1, ["1", "1", "x"]), Wire.insert(1, ["1", "2", "x"]),
            Wire.update(1, key: ["1", "2", nil], ["1", "3", "x"]), Wire.delete(1, key: ["1", "3", nil]),
        ]
        #expect(
            try history([part("2", "b"), part("1", "a")], messages) == ["2 inserted", "3 moved", "4 deleted"])
        for key in [
            [part("1")], [part("1", "a")], [part("1", "a"), part("x", "v")], [part("1", "a"), part("2", "c")],
        ] {
            let error = try #require(#expect(throws: AuditError.self) { try history(key, messages) })
            #expect(error.code == .key && error.message.contains("(a, b)"))
        }
    }

    @Test func valuesAreTextByteForByte() throws {
        let messages = [
            relation, Wire.insert(1, ["1.0", "a"]), Wire.insert(1, ["1.00", "a"]), Wire.insert(1, ["a=b", ""]),
        ]
        #expect(try history([part("1.00")], messages) == ["2 inserted"])
        #expect(try history([part("b", "a")], messages) == ["3 inserted"], "an equals sign in the value")
        #expect(try history([part("1.000")], messages) == [])
    }

    @Test func oneTableAlone() throws {
        let messages = [
            relation, Wire.insert(1, ["1", "a"]), Wire.relation(2, "u", ["id*"]), Wire.insert(2, ["1"]),
        ]
        let error = try #require(#expect(throws: AuditError.self) { try history([part("1")], messages) })
        #expect(error.code == .severalTables)
    }

    @Test func binaryKeysAreRefusedAndNotMissed() throws {
        let messages = [relation, Wire.insert(1, [.binary([0, 0, 0, 1]), "a"])]
        let error = try #require(#expect(throws: AuditError.self) { try history([part("1")], messages) })
        #expect(error.code == .binary)
    }
}
