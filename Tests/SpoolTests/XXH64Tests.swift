import Spool
import Testing

/// The checksums that other implementations of XXH64 give.
@Suite struct XXH64Tests {
    @Test(arguments: [
        ("", 0xEF46_DB37_51D8_E999 as UInt64), ("a", 0xD24E_C4F1_A98C_6E5B), ("abc", 0x44BC_2CF5_AD77_0999),
        ("Nobody inspects the spammish repetition", 0xFBCE_A83C_8A37_8BF1),
    ]) func theChecksumIsThatOfTheSpecification(text: String, checksum: UInt64) {
        #expect(Array(text.utf8).withUnsafeBytes { XXH64.hash($0) } == checksum)
    }

    @Test func everyBitOfEveryByteCounts() {
        let bytes = (0..<77).map { UInt8($0) }
        var seen: Set<UInt64> = [bytes.withUnsafeBytes { XXH64.hash($0) }]
        for bit in 0..<(bytes.count * 8) {
            var changed = bytes
            changed[bit / 8] ^= 1 << UInt8(bit % 8)
            seen.insert(changed.withUnsafeBytes { XXH64.hash($0) })
        }
        #expect(seen.count == bytes.count * 8 + 1)
    }

    @Test func piecesGiveTheChecksumOfTheWhole() {
        for count in 0..<150 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let whole = bytes.withUnsafeBytes { XXH64.hash($0) }
            for size in [1, 3, 31, 32, 33, 64, 100] {
                var sum = XXH64()
                for start in stride(from: 0, to: count, by: size) {
                    bytes[start..<min(start + size, count)].withUnsafeBytes { sum.update($0) }
                }
                #expect(sum.value == whole, "\(count) bytes in pieces of \(size)")
            }
        }
    }
}
