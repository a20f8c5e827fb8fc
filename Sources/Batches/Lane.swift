/// Lanes: a batch's statements divided into groups that several connections can apply at the same time, because no
/// statement of one touches a row of another (docs/batch-format.md, "Lanes").
///
/// Which lane a row has depends on its table's name and its key's bytes alone, not on the batch. So after a crash, when
/// only some lanes are on the target, the same rows are found again, however the log is cut into batches then. A change
/// to this function needs other names for the lanes' origins (``BatchPreamble/laneOrigin(_:lane:of:)``).
enum Lane {
    /// A number that stands for the table called `name`.
    static func seed(table name: String) -> UInt64 {
        var name = name
        return name.withUTF8 { hash(UnsafeRawBufferPointer($0), seed: 0) }
    }

    /// The lane, from 0 up to `count`, of the row with `key` in the table that `seed` stands for.
    @inline(__always)
    static func of(_ key: UnsafeRawBufferPointer, seed: UInt64, count: Int) -> Int {
        of(hash(key, seed: seed), count: count)
    }

    /// The lane of all rows of the table that `seed` stands for.
    static func of(_ seed: UInt64, count: Int) -> Int {
        Int(truncatingIfNeeded: seed.multipliedFullWidth(by: UInt64(count)).high)
    }

    /// Multiplies and folds eight bytes at a time.
    static func hash(_ key: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        var hash = seed ^ UInt64(truncatingIfNeeded: key.count)
        var offset = 0
        while offset + 8 <= key.count {
            hash = mix(hash ^ UInt64(littleEndian: key.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
            offset += 8
        }
        var tail: UInt64 = 0
        while offset < key.count {
            tail = tail << 8 | UInt64(key[offset])
            offset += 1
        }
        return mix(hash ^ tail)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        let product = value.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return product.high ^ product.low
    }
}
