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

    private static let expected: [String] = [
        "begin 0/19332F8 at 2026-11-22 22:50:56.327652+00 xid 737",
        "relation 16385 public.plain by primaryKey: *id 23 -1, v 25 -1, big 25 -1",
        "insert 16385 ('1', 'it's', 2100 bytes)",
        "insert 16385 ('2', NULL, '')",
        "insert 16385 ('3', 'tab\t\\ \n🚚', 'short')",
        "commit 0/19332F8 end 0/1933328 at 2026-11-22 22:50:56.327652+00",
        "begin 0/1933498 at 2026-11-22 22:50:56.330961+00 xid 738",
        "update 16385 to ('1', 'new', unchanged)",
        "update 16385 key ('2', NULL, NULL) to ('20', NULL, '')",
        "delete 16385 key ('3', NULL, NULL)",
        "commit 0/1933498 end 0/19334C8 at 2026-11-22 22:50:56.330961+00",
        "begin 0/19335F0 at 2026-11-22 22:50:56.334624+00 xid 739",
        "relation 16392 public.whole by full: *id 23 -1, *amount 1700 524294",
        "insert 16392 ('1', '1.50')",
        "insert 16392 ('1', NULL)",
        "update 16392 old ('1', NULL) to ('1', '2.00')",
        "delete 16392 old ('1', '1.50')",
        "commit 0/19335F0 end 0/1933620 at 2026-11-22 22:50:56.334624+00",
        "begin 0/1933660 at 2026-11-22 22:50:56.337059+00 xid 740",
        "relation 16395 public.anonymous by nothing: note 25 -1",
        "insert 16395 ('nobody')",
        "commit 0/1933660 end 0/1933690 at 2026-11-22 22:50:56.337059+00",
        "begin 0/1933928 at 2026-11-22 22:50:56.342401+00 xid 741",
        "relation 16401 public.by index by index: id 23 -1, *code 1043 13",
        "insert 16401 ('1', 'a')",
        "insert 16401 ('2', 'b')",
        "update 16401 key (NULL, 'a') to ('1', 'c')",
        "delete 16401 key (NULL, 'b')",
        "commit 0/1933928 end 0/1933958 at 2026-11-22 22:50:56.342401+00",
        "begin 0/1933A38 at 2026-11-22 22:50:56.346653+00 xid 742",
        "type 16408 public.mood",
        "relation 16413 public.feelings by primaryKey: *id 23 -1, mood 16408 -1",
        "insert 16413 ('1', 'grand')",
        "commit 0/1933A38 end 0/1933A68 at 2026-11-22 22:50:56.346653+00",
        "begin 0/1933D10 at 2026-11-22 22:50:56.348321+00 xid 743",
        "relation 16392 public.whole by full: *id 23 -1, *amount 1700 524294",
        "truncate [16392] cascade false restart false",
        "commit 0/1933D10 end 0/1933D88 at 2026-11-22 22:50:56.348321+00",
        "begin 0/1934ED0 at 2026-11-22 22:50:56.352545+00 xid 744",
        "relation 16385 public.plain by primaryKey: *id 23 -1, v 25 -1, big 25 -1",
        "type 16408 public.mood",
        "relation 16413 public.feelings by primaryKey: *id 23 -1, mood 16408 -1",
        "truncate [16385, 16413] cascade true restart false",
        "commit 0/1934ED0 end 0/19350D8 at 2026-11-22 22:50:56.352545+00",
        "begin 0/1935BE0 at 2026-11-22 22:50:56.368901+00 xid 745",
        "relation 16401 public.by index by index: id 23 -1, *code 1043 13",
        "relation 16392 public.whole by full: *id 23 -1, *amount 1700 524294",
        "truncate [16401, 16392] cascade true restart true",
        "commit 0/1935BE0 end 0/1935D30 at 2026-11-22 22:50:56.368901+00",
        "begin 0/1935D70 at 2026-11-22 22:50:56.370074+00 xid 746",
        "message inside at 0/1935D70 inside [97, 32, 108, 105, 110, 101]",
        "commit 0/1935D70 end 0/1935DA0 at 2026-11-22 22:50:56.370074+00",
        "message outside at 0/1935DE0 outside [0, 255, 39]",
        "begin 0/1935E30 at 2026-01-02 03:04:05.678901+00 xid 747",
        "origin messages_1 at 0/ABCDEF",
        "insert 16395 ('from elsewhere')",
        "commit 0/1935E30 end 0/1935E78 at 2026-01-02 03:04:05.678901+00",
    ]
}
