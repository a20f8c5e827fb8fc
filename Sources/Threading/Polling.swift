import Glibc

/// Waiting for several descriptors at once.
public enum Polling {
    /// What a wait for two descriptors found.
    public struct Ready: Sendable {
        /// The first descriptor has something to read, or its peer is gone.
        public var first: Bool
        /// The second descriptor has something to read, or its peer is gone.
        public var second: Bool
        /// The third descriptor has something to read, or its peer is gone.
        public var third: Bool
    }

    /// Waits until one of the descriptors is readable or `deadline` has come; negative descriptors are ignored.
    ///
    /// An interrupted call returns with nothing ready: the caller's loop looks at its state again.
    public static func wait(
        _ first: Int32, _ second: Int32 = -1, _ third: Int32 = -1, until deadline: Deadline
    ) -> Ready {
        if let virtual = VirtualTime.current {
            virtual.wait(until: deadline)
            return Ready(first: false, second: false, third: false)
        }
        let interest = Int16(POLLIN)
        return withUnsafeTemporaryAllocation(of: pollfd.self, capacity: 3) { set in
            set.initializeElement(at: 0, to: pollfd(fd: first, events: interest, revents: 0))
            set.initializeElement(at: 1, to: pollfd(fd: second, events: interest, revents: 0))
            set.initializeElement(at: 2, to: pollfd(fd: third, events: interest, revents: 0))
            let count = poll(set.baseAddress, 3, deadline.pollTimeout)
            guard count > 0 else { return Ready(first: false, second: false, third: false) }
            return Ready(first: set[0].revents != 0, second: set[1].revents != 0, third: set[2].revents != 0)
        }
    }
}
