/// The checksum XXH64 with seed 0, as its specification describes it: fast enough for every byte of a log.
///
/// ``hash(_:)`` takes bytes that are there at once; an instance takes them piece by piece.
public struct XXH64: Sendable {
    private static let prime1: UInt64 = 0x9E37_79B1_85EB_CA87
    private static let prime2: UInt64 = 0xC2B2_AE3D_27D4_EB4F
    private static let prime3: UInt64 = 0x1656_67B1_9E37_79F9
    private static let prime4: UInt64 = 0x85EB_CA77_C2B2_AE63
    private static let prime5: UInt64 = 0x27D4_EB2F_1656_67C5

    /// Four sums side by side over all whole 32 bytes.
    private var sums = SIMD4<UInt64>(prime1 &+ prime2, prime2, 0, 0 &- prime1)
    /// What does not fill 32 bytes yet.
    private var rest: [UInt8] = []
    private var count = 0

    /// The checksum of nothing so far.
    public init() {}

    /// Adds the next piece.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        count += bytes.count
        var bytes = bytes
        if !rest.isEmpty {
            let missing = min(32 - rest.count, bytes.count)
            rest.append(contentsOf: bytes[..<missing])
            bytes = UnsafeRawBufferPointer(rebasing: bytes[missing...])
            guard rest.count == 32 else { return }
            rest.withUnsafeBytes { sums = Self.summed(sums, $0) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.count & ~31
        sums = Self.summed(sums, UnsafeRawBufferPointer(rebasing: bytes[..<whole]))
        rest.append(contentsOf: bytes[whole...])
    }

    /// The checksum of all pieces.
    public var value: UInt64 {
        rest.withUnsafeBytes { Self.finished(count >= 32 ? Self.merged(sums) : Self.prime5, count: count, tail: $0) }
    }

    /// The checksum of the bytes.
    public static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let whole = bytes.count & ~31
        let sums = summed(XXH64().sums, UnsafeRawBufferPointer(rebasing: bytes[..<whole]))
        return finished(
            whole > 0 ? merged(sums) : prime5, count: bytes.count,
            tail: UnsafeRawBufferPointer(rebasing: bytes[whole...]))
    }

    private static func finished(_ start: UInt64, count: Int, tail bytes: UnsafeRawBufferPointer) -> UInt64 {
        var offset = 0
        var hash = start &+ UInt64(count)
        while bytes.count - offset >= 8 {
            hash ^= round(0, word(bytes, offset))
            hash = rotate(hash, 27) &* prime1 &+ prime4
            offset += 8
        }
        if bytes.count - offset >= 4 {
            let half = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            hash ^= UInt64(half) &* prime1
            hash = rotate(hash, 23) &* prime2 &+ prime3
            offset += 4
        }
        while offset < bytes.count {
            hash ^= UInt64(bytes[offset]) &* prime5
            hash = rotate(hash, 11) &* prime1
            offset += 1
        }
        hash = (hash ^ hash >> 33) &* prime2
        hash = (hash ^ hash >> 29) &* prime3
        return hash ^ hash >> 32
    }

    /// The sums after whole 32 bytes more.
    private static func summed(_ sums: SIMD4<UInt64>, _ bytes: UnsafeRawBufferPointer) -> SIMD4<UInt64> {
        var (first, second, third, fourth) = (sums[0], sums[1], sums[2], sums[3])
        var offset = 0
        while offset < bytes.count {
            first = round(first, word(bytes, offset))
            second = round(second, word(bytes, offset + 8))
            third = round(third, word(bytes, offset + 16))
            fourth = round(fourth, word(bytes, offset + 24))
            offset += 32
        }
        return SIMD4(first, second, third, fourth)
    }

    private static func merged(_ sums: SIMD4<UInt64>) -> UInt64 {
        var hash = rotate(sums[0], 1) &+ rotate(sums[1], 7) &+ rotate(sums[2], 12) &+ rotate(sums[3], 18)
        for index in 0..<4 {
            hash = (hash ^ round(0, sums[index])) &* prime1 &+ prime4
        }
        return hash
    }

    @inline(__always)
    private static func round(_ sum: UInt64, _ word: UInt64) -> UInt64 {
        rotate(sum &+ word &* prime2, 31) &* prime1
    }

    @inline(__always)
    private static func rotate(_ value: UInt64, _ bits: UInt64) -> UInt64 {
        value &<< bits | value &>> (64 - bits)
    }

    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

extension UInt64 {
    /// All 16 hexadecimal digits, in small letters: a checksum, or a part of a random name.
    package var hexDigits: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
