import TestSupport

/// The choices of a property test's case: the same for the same seed.
struct PropertyRandom {
    private var generator: SeededRandom

    init(seed: UInt64) {
        // Neighbouring seeds must not begin alike.
        generator = SeededRandom(seed: seed &* 0x9E37_79B9_7F4A_7C15)
    }

    /// A number from 0 up to, not including, `limit`.
    mutating func below(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    mutating func between(_ low: Int, _ high: Int) -> Int { Int.random(in: low...high, using: &generator) }

    mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

    mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }

    mutating func shuffled<Element>(_ elements: [Element]) -> [Element] { elements.shuffled(using: &generator) }

    /// Hexadecimal digits that do not compress.
    mutating func digits(_ count: Int) -> String {
        String((0..<count).map { _ in "0123456789abcdef".utf8.map { Character(UnicodeScalar($0)) }[below(16)] })
    }
}
