import Synchronization

/// Counts rigs, so that each has names of its own.
final class NameCounter: Sendable {
    private let value = Atomic<Int>(0)

    func next() -> Int { value.add(1, ordering: .relaxed).newValue }
}
