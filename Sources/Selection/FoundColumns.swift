import Synchronization

/// Which patterns for columns have been for one: told by any thread that looks at a table.
final class FoundColumns: Sendable {
    private let found = Mutex<Set<Int>>([])

    /// The places of these patterns.
    var places: Set<Int> { found.withLock { $0 } }

    func note(_ place: Int) {
        found.withLock { _ = $0.insert(place) }
    }
}
