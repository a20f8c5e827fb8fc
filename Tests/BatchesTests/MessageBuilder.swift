import Postgres
import TestSupport

/// Encodes pgoutput messages by hand, as the protocol's documentation describes them.
enum MessageBuilder {
    /// A column value of a tuple.
    enum Value: ExpressibleByStringLiteral, ExpressibleByNilLiteral {
        case text(String)
        case null
        case unchanged
        case binary([UInt8])

        init(stringLiteral value: String) { self = .text(value) }
        init(nilLiteral: ()) { self = .null }
    }

    /// A column of a layout.
    struct Column {
        var name: String
        var isKey = false
        var type: UInt32 = 25
    }

    static func begin(_ final: UInt64) -> [UInt8] {
        tag("B") + bigEndian(final) + bigEndian(UInt64(0)) + bigEndian(UInt32(7))
    }

    static func commit(_ lsn: UInt64, end: UInt64) -> [UInt8] {
        tag("C") + [0] + bigEndian(lsn) + bigEndian(end) + bigEndian(UInt64(0))
    }

    static func relation(
        _ id: UInt32, _ schema: String, _ name: String, _ identity: Character = "d", _ columns: [Column]
    ) -> [UInt8] {
        var bytes =
            tag("R") + bigEndian(id) + string(schema) + string(name) + tag(identity) + bigEndian(UInt16(columns.count))
        for column in columns {
            bytes += [column.isKey ? 1 : 0] + string(column.name) + bigEndian(column.type) + bigEndian(UInt32.max)
        }
        return bytes
    }

    static func insert(_ id: UInt32, _ new: [Value]) -> [UInt8] {
        tag("I") + bigEndian(id) + tag("N") + tuple(new)
    }

    static func update(_ id: UInt32, key: [Value]? = nil, full: [Value]? = nil, _ new: [Value]) -> [UInt8] {
        var bytes = tag("U") + bigEndian(id)
        if let key { bytes += tag("K") + tuple(key) }
        if let full { bytes += tag("O") + tuple(full) }
        return bytes + tag("N") + tuple(new)
    }

    static func delete(_ id: UInt32, key: [Value]? = nil, full: [Value] = []) -> [UInt8] {
        tag("D") + bigEndian(id) + (key.map { tag("K") + tuple($0) } ?? (tag("O") + tuple(full)))
    }

    static func truncate(_ ids: [UInt32], flags: UInt8 = 0) -> [UInt8] {
        tag("T") + bigEndian(UInt32(ids.count)) + [flags] + ids.flatMap { bigEndian($0) }
    }

    static func message(_ prefix: String, _ content: [UInt8], transactional: Bool = true) -> [UInt8] {
        tag("M") + [transactional ? 1 : 0] + bigEndian(UInt64(0x42)) + string(prefix) + bigEndian(UInt32(content.count))
            + content
    }

    static func origin(_ name: String) -> [UInt8] {
        tag("O") + bigEndian(UInt64(0x99)) + string(name)
    }

    private static func tuple(_ values: [Value]) -> [UInt8] {
        var bytes = bigEndian(UInt16(values.count))
        for value in values {
            switch value {
            case .null: bytes += tag("n")
            case .unchanged: bytes += tag("u")
            case .text(let text): bytes += tag("t") + bigEndian(UInt32(text.utf8.count)) + Array(text.utf8)
            case .binary(let raw): bytes += tag("b") + bigEndian(UInt32(raw.count)) + raw
            }
        }
        return bytes
    }

    private static func tag(_ character: Character) -> [UInt8] { Array(String(character).utf8) }
    private static func string(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
}
