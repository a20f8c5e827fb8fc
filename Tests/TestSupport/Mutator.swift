/// Damages bytes in the ways that disks, networks and bugs do; the same in every run.
///
/// It is the small share of `tools/fuzz` that runs with the ordinary tests.
public struct Mutator {
    private var state: UInt64

    /// A mutator with a seed.
    public init(seed: UInt64) {
        state = seed
    }

    /// The input with one to three changes; never the input itself.
    public mutating func mutated(_ input: [UInt8]) -> [UInt8] {
        while true {
            var bytes = input
            for _ in 0...below(3) { change(&bytes) }
            if bytes != input { return bytes }
        }
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes.append(UInt8(below(256)))
            return
        }
        let place = below(bytes.count)
        let length = min(1 + below(16), bytes.count - place)
        switch below(8) {
        case 0: bytes[place] ^= 1 << UInt8(below(8))
        case 1: bytes[place] = UInt8(below(256))
        case 2: bytes.removeSubrange(place..<place + length)
        case 3: bytes.insert(contentsOf: bytes[place..<place + length], at: below(bytes.count))
        case 4: bytes.removeLast(bytes.count - place)
        case 5: for index in place..<place + length { bytes[index] = 0 }
        case 6: for index in place..<place + min(4, length) { bytes[index] = 0xFF }
        default: bytes.insert(contentsOf: (0..<length).map { _ in UInt8(below(256)) }, at: place)
        }
    }

    /// SplitMix64.
    private mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((mixed ^ (mixed >> 31)) % UInt64(bound))
    }
}
