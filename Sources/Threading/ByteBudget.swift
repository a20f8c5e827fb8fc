/// A limit on the bytes that are on their way from one thread to another.
///
/// A single piece may be larger than the limit: it then travels alone.
public final class ByteBudget: @unchecked Sendable {
    private let condition = Condition()
    private let limit: Int
    private var used = 0
    private var isClosed = false

    /// A budget of `limit` bytes.
    public init(limit: Int) {
        self.limit = max(1, limit)
    }

    /// Takes `bytes` of the budget, waiting until they are there. Does not wait once the budget is closed.
    public func take(_ bytes: Int) {
        condition.locked {
            while used > 0, used + bytes > limit, !isClosed { condition.wait() }
            used += bytes
        }
    }

    /// Gives `bytes` back.
    public func give(_ bytes: Int) {
        condition.locked {
            used = max(0, used - bytes)
            condition.signalAll()
        }
    }

    /// True when nothing is on its way.
    public var isUnused: Bool {
        condition.locked { used == 0 }
    }

    /// Lets everybody pass from now on.
    public func close() {
        condition.locked {
            isClosed = true
            condition.signalAll()
        }
    }
}
