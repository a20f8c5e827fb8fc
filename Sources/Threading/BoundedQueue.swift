/// A first-in first-out queue of fixed capacity between one producing and one consuming thread.
///
/// A full queue is how a slow consumer holds its producer back; closing it is how either side says that it will not
/// continue.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
    private let condition = Condition()
    private let capacity: Int
    private var elements: [Element] = []
    private var isClosed = false

    /// A queue that holds at most `capacity` elements.
    public init(capacity: Int) {
        self.capacity = max(1, capacity)
        elements.reserveCapacity(self.capacity)
    }

    /// Appends `element`, waiting while the queue is full. False if the queue was closed; the element is then dropped.
    @discardableResult
    public func push(_ element: Element) -> Bool {
        condition.locked {
            while elements.count >= capacity && !isClosed { condition.wait() }
            if isClosed { return false }
            elements.append(element)
            condition.signalAll()
            return true
        }
    }

    /// Appends `element` unless the queue is full or was closed: for what is worth keeping, but not worth waiting.
    public func pushIfRoom(_ element: Element) {
        condition.locked {
            guard elements.count < capacity && !isClosed else { return }
            elements.append(element)
            condition.signalAll()
        }
    }

    /// Takes the first element, waiting until there is one. Nil once the queue is closed and empty.
    public func pop() -> Element? {
        condition.locked {
            while elements.isEmpty && !isClosed { condition.wait() }
            return takeFirst()
        }
    }

    /// What ``pop(until:)`` came back with.
    public enum Popped {
        /// The first element.
        case element(Element)
        /// The deadline passed with the queue empty.
        case timedOut
        /// The queue is closed and empty.
        case closed
    }

    /// Takes the first element, waiting for one until `deadline`.
    public func pop(until deadline: Deadline) -> Popped {
        condition.locked {
            while elements.isEmpty && !isClosed {
                if !condition.wait(until: deadline) && elements.isEmpty && !isClosed { return .timedOut }
            }
            guard let first = takeFirst() else { return .closed }
            return .element(first)
        }
    }

    /// Takes the first element if there is one, without waiting.
    public func popIfAny() -> Element? {
        condition.locked { takeFirst() }
    }

    /// How many elements wait.
    public var count: Int {
        condition.locked { elements.count }
    }

    /// Refuses further elements; those already queued can still be taken.
    public func close() {
        condition.locked {
            isClosed = true
            condition.signalAll()
        }
    }

    private func takeFirst() -> Element? {
        guard !elements.isEmpty else { return nil }
        let first = elements.removeFirst()
        condition.signalAll()
        return first
    }
}
