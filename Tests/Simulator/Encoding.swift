import TestSupport

/// Messages as pgoutput sends them.
enum Encoding {
    enum Value {
        case null
        case unchanged
        case text(String)
    }

    static func begin(final: UInt64, time: Int64, xid: UInt32) -> [UInt8] {
        tag("B") + bigEndian(final) + bigEndian(time) + bigEndian(xid)
    }

    static func commit(_ lsn: UInt64, end: UInt64, time: Int64) -> [UInt8] {
        tag("C") + [0] + bigEndian(lsn) + bigEndian(end) + bigEndian(time)
    }

    static func relation(_ table: ModelTable) -> [UInt8] {
        var bytes = tag("R") + bigEndian(table.id) + string(table.schema) + string(table.name) + tag(table.identity)
        bytes += bigEndian(UInt16(table.columns.count))
        for column in table.columns {
            let isKey = column.isKey || table.identity == "f"
            bytes += [isKey ? 1 : 0] + string(column.name) + bigEndian(column.type) + bigEndian(UInt32.max)
        }
        return bytes
    }

    static func insert(_ table: ModelTable, _ new: Row) -> [UInt8] {
        tag("I") + bigEndian(table.id) + tag("N") + tuple(new.map { $0.map { .text($0) } ?? .null })
    }

    static func update(_ table: ModelTable, from old: Row, to new: Row) -> [UInt8] {
        var bytes = tag("U") + bigEndian(table.id)
        if table.identity == "f" {
            bytes += tag("O") + tuple(old.map { $0.map { .text($0) } ?? .null })
        } else if zip(zip(old, new), table.columns).contains(where: { $1.isKey && $0.0 != $0.1 }) {
            bytes += tag("K") + key(table, old)
        }
        let values = new.indices.map { index -> Value in
            guard let value = new[index] else { return .null }
            let isKept = index == table.outOfLine && value.utf8.count > 24 && old[index] == value
            return isKept ? .unchanged : .text(value)
        }
        return bytes + tag("N") + tuple(values)
    }

    static func delete(_ table: ModelTable, _ old: Row) -> [UInt8] {
        guard table.identity == "f" else { return tag("D") + bigEndian(table.id) + tag("K") + key(table, old) }
        return tag("D") + bigEndian(table.id) + tag("O") + tuple(old.map { $0.map { .text($0) } ?? .null })
    }

    static func truncate(_ tables: [ModelTable], restartsIdentity: Bool) -> [UInt8] {
        tag("T") + bigEndian(UInt32(tables.count)) + [restartsIdentity ? 2 : 0] + tables.flatMap { bigEndian($0.id) }
    }

    static func message(_ content: String, at lsn: UInt64, isTransactional: Bool) -> [UInt8] {
        tag("M") + [isTransactional ? 1 : 0] + bigEndian(lsn) + string("simulated")
            + bigEndian(UInt32(content.utf8.count))
            + Array(content.utf8)
    }

    static func streamStart(_ xid: UInt32, isFirst: Bool) -> [UInt8] { tag("S") + bigEndian(xid) + [isFirst ? 1 : 0] }
    static func streamStop() -> [UInt8] { tag("E") }

    static func streamCommit(_ xid: UInt32, _ lsn: UInt64, end: UInt64, time: Int64) -> [UInt8] {
        tag("c") + bigEndian(xid) + [0] + bigEndian(lsn) + bigEndian(end) + bigEndian(time)
    }

    static func streamAbort(_ xid: UInt32, _ subtransaction: UInt32) -> [UInt8] {
        tag("A") + bigEndian(xid) + bigEndian(subtransaction)
    }

    /// A message with the transaction's id, as it has one in a stream.
    static func streamed(_ message: [UInt8], _ xid: UInt32) -> [UInt8] {
        message[..<1] + bigEndian(xid) + message[1...]
    }

    private static func key(_ table: ModelTable, _ row: Row) -> [UInt8] {
        tuple(zip(row, table.columns).map { value, column in column.isKey ? value.map { .text($0) } ?? .null : .null })
    }

    private static func tuple(_ values: [Value]) -> [UInt8] {
        var bytes = bigEndian(UInt16(values.count))
        for value in values {
            switch value {
            case .null: bytes += tag("n")
            case .unchanged: bytes += tag("u")
            case .text(let text): bytes += tag("t") + bigEndian(UInt32(text.utf8.count)) + Array(text.utf8)
            }
        }
        return bytes
    }

    private static func tag(_ character: Character) -> [UInt8] { Array(String(character).utf8) }
    private static func string(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
}
