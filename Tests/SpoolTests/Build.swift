import TestSupport

/// Encodes the pgoutput messages that the sample log consists of, as the protocol's documentation describes them.
enum Build {
    static func begin(_ final: UInt64) -> [UInt8] {
        Array("B".utf8) + bigEndian(final) + bigEndian(UInt64(0)) + bigEndian(UInt32(7))
    }

    static func commit(_ lsn: UInt64, end: UInt64) -> [UInt8] {
        Array("C".utf8) + [0] + bigEndian(lsn) + bigEndian(end) + bigEndian(UInt64(0))
    }

    /// `public.name` of one text column.
    static func relation(_ id: UInt32, _ name: String) -> [UInt8] {
        var bytes = Array("R".utf8) + bigEndian(id) + Array("public\0\(name)\0d".utf8)
        bytes += [0, 1, 1] + Array("v\0".utf8) + bigEndian(UInt32(25)) + bigEndian(UInt32.max)
        return bytes
    }

    static func insert(_ id: UInt32, _ value: [UInt8]) -> [UInt8] {
        Array("I".utf8) + bigEndian(id) + Array("N".utf8) + [0, 1] + Array("t".utf8) + bigEndian(UInt32(value.count))
            + value
    }

    static func update(_ id: UInt32, _ value: [UInt8]) -> [UInt8] {
        [UInt8(ascii: "U")] + insert(id, value).dropFirst()
    }

    static func delete(_ id: UInt32, _ value: [UInt8]) -> [UInt8] {
        var bytes = [UInt8(ascii: "D")] + insert(id, value).dropFirst()
        bytes[5] = UInt8(ascii: "K")
        return bytes
    }

    static func truncate(_ ids: [UInt32]) -> [UInt8] {
        Array("T".utf8) + bigEndian(UInt32(ids.count)) + [0] + ids.flatMap { bigEndian($0) }
    }
}
