import Glibc

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
public struct Deadline: Comparable, Sendable {
    /// Nanoseconds on CLOCK_MONOTONIC.
    public let nanoseconds: Int64

    /// The moment so many nanoseconds after the clock's start.
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    /// The present moment.
    public static var now: Deadline {
        if let virtual = VirtualTime.current { return Deadline(nanoseconds: virtual.nanoseconds) }
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Deadline(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// A moment that never comes.
    public static let never = Deadline(nanoseconds: .max)

    /// The moment `milliseconds` from now.
    public static func after(milliseconds: Int) -> Deadline {
        now + milliseconds
    }

    /// The moment `milliseconds` after `deadline`.
    public static func + (deadline: Deadline, milliseconds: Int) -> Deadline {
        let (distance, isTooFar) = Int64(milliseconds).multipliedReportingOverflow(by: 1_000_000)
        let (sum, isTooLate) = deadline.nanoseconds.addingReportingOverflow(distance)
        return isTooFar || isTooLate ? .never : Deadline(nanoseconds: sum)
    }

    /// The order of the two moments.
    public static func < (left: Deadline, right: Deadline) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// True once the moment has come.
    public var hasPassed: Bool {
        Deadline.now >= self
    }

    /// Nanoseconds until the moment; 0 once it has passed, at most a day.
    public var remainingNanoseconds: Int64 {
        let day: Int64 = 86_400 * 1_000_000_000
        if self == .never { return day }
        return min(max(0, nanoseconds - Deadline.now.nanoseconds), day)
    }

    /// Milliseconds until the moment, rounded up, as `poll` takes them.
    public var pollTimeout: Int32 {
        Int32(clamping: (remainingNanoseconds + 999_999) / 1_000_000)
    }

    /// Seconds since then, in steps of a millisecond.
    public var seconds: Double {
        Double((Deadline.now.nanoseconds - nanoseconds) / 1_000_000) / 1000
    }

    /// Seconds from an earlier moment to this one.
    public func seconds(since earlier: Deadline) -> Double {
        Double(nanoseconds - earlier.nanoseconds) / 1_000_000_000
    }
}
