import TestSupport

/// Encodes pgoutput messages by hand, as the protocol's documentation describes them.
enum Build {
    static func begin(_ final: UInt64, xid: UInt32 = 7) -> [UInt8] {
        Array("B".utf8) + bigEndian(final) + bigEndian(UInt64(0)) + bigEndian(xid)
    }

    static func commit(_ lsn: UInt64, end: UInt64, time: UInt64 = 0) -> [UInt8] {
        Array("C".utf8) + [0] + bigEndian(lsn) + bigEndian(end) + bigEndian(time)
    }

    /// A table of one key column of the given type.
    static func relation(_ id: UInt32, _ name: String, type: UInt32 = 25) -> [UInt8] {
        var bytes = Array("R".utf8) + bigEndian(id) + string("public") + string(name) + Array("d".utf8)
        bytes += [0, 1, 1] + string("id") + bigEndian(type) + bigEndian(UInt32.max)
        return bytes
    }

    static func type(_ oid: UInt32, _ name: String) -> [UInt8] {
        Array("Y".utf8) + bigEndian(oid) + string("public") + string(name)
    }

    static func insert(_ id: UInt32, _ value: String) -> [UInt8] {
        Array("I".utf8) + bigEndian(id) + Array("N".utf8) + tuple(value)
    }

    static func update(_ id: UInt32, _ value: String) -> [UInt8] {
        Array("U".utf8) + bigEndian(id) + Array("N".utf8) + tuple(value)
    }

    static func delete(_ id: UInt32, _ value: String) -> [UInt8] {
        Array("D".utf8) + bigEndian(id) + Array("K".utf8) + tuple(value)
    }

    static func truncate(_ ids: [UInt32]) -> [UInt8] {
        Array("T".utf8) + bigEndian(UInt32(ids.count)) + [0] + ids.flatMap { bigEndian($0) }
    }

    static func message(_ prefix: String, at lsn: UInt64, transactional: Bool) -> [UInt8] {
        Array("M".utf8) + [transactional ? 1 : 0] + bigEndian(lsn) + string(prefix) + bigEndian(UInt32(0))
    }

    static func origin(_ name: String) -> [UInt8] {
        Array("O".utf8) + bigEndian(UInt64(1)) + string(name)
    }

    private static func tuple(_ value: String) -> [UInt8] {
        [0, 1] + Array("t".utf8) + bigEndian(UInt32(value.utf8.count)) + Array(value.utf8)
    }

    private static func string(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
}
