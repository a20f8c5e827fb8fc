import TestSupport

/// Encodes pgoutput messages as the protocol's documentation describes them.
enum Wire {
    /// A column's value.
    enum Cell: ExpressibleByStringLiteral, ExpressibleByNilLiteral {
        case null
        case unchanged
        case text([UInt8])
        case binary([UInt8])

        init(stringLiteral value: String) { self = .text(Array(value.utf8)) }
        init(nilLiteral: ()) { self = .null }

        var bytes: [UInt8] {
            switch self {
            case .null: Array("n".utf8)
            case .unchanged: Array("u".utf8)
            case .text(let bytes): Array("t".utf8) + bigEndian(UInt32(bytes.count)) + bytes
            case .binary(let bytes): Array("b".utf8) + bigEndian(UInt32(bytes.count)) + bytes
            }
        }
    }

    static func begin(_ final: UInt64, time: Int64, xid: UInt32) -> [UInt8] {
        Array("B".utf8) + bigEndian(final) + bigEndian(time) + bigEndian(xid)
    }

    static func commit(_ final: UInt64, end: UInt64, time: Int64) -> [UInt8] {
        Array("C".utf8) + [0] + bigEndian(final) + bigEndian(end) + bigEndian(time)
    }

    /// A table; the columns whose names end with `*` are the key.
    static func relation(
        _ id: UInt32, _ name: String, _ columns: [String], schema: String = "public", identity: String = "d"
    ) -> [UInt8] {
        var bytes =
            Array("R".utf8) + bigEndian(id) + Array("\(schema)\0\(name)\0\(identity)".utf8)
            + bigEndian(Int16(columns.count))
        for column in columns {
            bytes.append(column.hasSuffix("*") ? 1 : 0)
            bytes += Array(column.filter { $0 != "*" }.utf8) + [0] + bigEndian(UInt32(25)) + bigEndian(UInt32.max)
        }
        return bytes
    }

    static func insert(_ id: UInt32, _ row: [Cell]) -> [UInt8] {
        Array("I".utf8) + bigEndian(id) + Array("N".utf8) + tuple(row)
    }

    static func update(_ id: UInt32, key: [Cell]? = nil, old: [Cell]? = nil, _ row: [Cell]) -> [UInt8] {
        var bytes = Array("U".utf8) + bigEndian(id)
        if let key { bytes += Array("K".utf8) + tuple(key) }
        if let old { bytes += Array("O".utf8) + tuple(old) }
        return bytes + Array("N".utf8) + tuple(row)
    }

    static func delete(_ id: UInt32, key: [Cell]) -> [UInt8] {
        Array("D".utf8) + bigEndian(id) + Array("K".utf8) + tuple(key)
    }

    static func truncate(_ ids: [UInt32]) -> [UInt8] {
        Array("T".utf8) + bigEndian(UInt32(ids.count)) + [0] + ids.flatMap { bigEndian($0) }
    }

    private static func tuple(_ row: [Cell]) -> [UInt8] {
        bigEndian(Int16(row.count)) + row.flatMap(\.bytes)
    }
}
