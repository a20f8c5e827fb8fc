/// Decides when to read the source's socket again, so that messages are taken in many at a time.
///
/// The source flushes its stream after every message. A reader that waits in `poll` is woken for each one, and both
/// sides spend most of their time on that. While messages keep coming, the pacer lets them pile up for a fraction of a
/// millisecond: only to a part of what a socket's buffer holds, because a full one would stop the source.
///
/// Knows no clock and no socket: it is told what was taken in, and says what to do next.
struct ReadPacer {
    /// What to do when the messages that were read are all taken in.
    enum Step: Equatable {
        /// Read: there may be more.
        case read
        /// The socket is empty for the moment: let messages pile up, then read.
        case pause(microseconds: Int)
        /// Nothing keeps coming: wait until the socket is readable.
        case wait
    }

    /// Bytes of socket buffer that should be filled when a pause ends. A local socket holds 208 KiB by default.
    static let target = 64 << 10
    /// Bytes of socket buffer that a message takes besides its own: the kernel's bookkeeping for each packet.
    static let overhead = 1 << 10
    private static let shortest = 50
    private static let longest = 500

    /// libpq reads at most 16 KiB at a time, and at least this much if it is there.
    private static let wholeRead = 8 << 10

    private var bytesSinceRead = 0
    private var filledSincePause = 0
    private var hasPaused = false
    private var microseconds = shortest

    /// A message of this many bytes was taken in.
    mutating func took(_ bytes: Int) {
        bytesSinceRead += bytes
        filledSincePause += bytes + ReadPacer.overhead
    }

    /// Every message that was read is taken in: what now?
    mutating func next() -> Step {
        let bytes = bytesSinceRead
        bytesSinceRead = 0
        if bytes >= ReadPacer.wholeRead { return .read }
        let filled = filledSincePause
        filledSincePause = 0
        if hasPaused {
            let wanted = filled > 0 ? microseconds * ReadPacer.target / filled : 0
            microseconds = min(max(wanted, microseconds / 2, ReadPacer.shortest), microseconds * 2, ReadPacer.longest)
        }
        // Only a read that brought nothing says that the socket, and the TLS layer before it, is empty.
        hasPaused = filled > 0
        return hasPaused ? .pause(microseconds: microseconds) : .wait
    }
}
