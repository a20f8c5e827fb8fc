import Glibc
import TestSupport
import Testing

/// Random schemas and random concurrent load: whatever a source does, its target becomes equal, by every way of
/// rendering.
///
/// `tools/property` runs more of them.
@Suite(.timeLimit(.minutes(5)))
struct PropertyTests {
    private static func setting(_ name: String, _ usual: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? usual
    }

    private static let first = setting("WALRELAY_PROPERTY_SEED", 1)
    private static let count = setting("WALRELAY_PROPERTY_SEEDS", 16)
    private static let renderings = setting("WALRELAY_PROPERTY_RENDERINGS", 3)

    @Test(arguments: first..<first + count) func theTargetBecomesEqual(seed: Int) async throws {
        let failures = try await PropertyRun.failures(seed: UInt64(seed), renderings: Self.renderings)
        #expect(failures == [], "seed \(seed); again with: tools/property --seed \(seed) --seeds 1")
    }
}
