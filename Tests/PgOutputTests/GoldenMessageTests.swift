import PgOutput
import Postgres
import Testing

/// What a real server sent decodes to exactly what was done there.
@Suite struct GoldenMessageTests {
    @Test func everyMessageDecodesToItsExactFields() throws {
        let decoded = try GoldenMessages.all.map { try words($0) }
        for (found, expected) in zip(decoded, GoldenMessageTests.expected) { #expect(found == expected) }
        #expect(decoded.count == GoldenMessageTests.expected.count)
    }

    @Test func longAndAwkwardTextIsKeptByteForByte() throws {
        let inserts = GoldenMessages.all.filter { $0.first == MessageKind.insert.rawValue }
        #expect(try texts(inserts[0]) == ["1", "it's", String(repeating: "x", count: 2_100)])
        #expect(try texts(inserts[1]) == ["2", nil, ""])
        #expect(try texts(inserts[2]) == ["3", "tab\t\\ \n🚚", "short"])
    }

    @Test func aCursorAtTheEndStaysThere() throws {
        try GoldenMessages.first("I").withUnsafeBytes { bytes in
            guard case .insert(_, let new) = try Message(decoding: bytes) else { return }
            var cursor = new.columns
            for _ in 0..<new.columnCount { #expect(cursor.next() != nil) }
            #expect(cursor.next() == nil)
            #expect(cursor.next() == nil)
        }
    }

    private func texts(_ bytes: [UInt8]) throws -> [String?] {
        try bytes.withUnsafeBytes { bytes in
            guard case .insert(_, let new) = try Message(decoding: bytes) else { return [] }
            var cursor = new.columns
            var values: [String?] = []
            while let value = cursor.next() {
                if case .text(let text) = value { values.append(String(decoding: text, as: UTF8.self)) }
                if case .null = value { values.append(nil) }
            }
            return values
        }
    }

    private static let expected: [String] = []
}
