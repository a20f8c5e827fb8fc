import Postgres

/// Tells about what time it was at a position, by the commits seen. When it holds too many it forgets every second one.
struct CommitClock {
    private static let capacity = 65_536
    private var marks: [(position: LSN, time: Timestamp)] = []
    /// Of so many commits one is kept.
    private var step = 1
    private var sinceLast = 0

    mutating func add(_ position: LSN, _ time: Timestamp) {
        sinceLast += 1
        guard sinceLast >= step else { return }
        sinceLast = 0
        marks.append((position, time))
        guard marks.count >= CommitClock.capacity else { return }
        marks = stride(from: 0, to: marks.count, by: 2).map { marks[$0] }
        step *= 2
    }

    /// The time of the last known commit that ended at or before a position.
    func time(before position: LSN) -> Timestamp? {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].position <= position { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? marks[low - 1].time : nil
    }
}
