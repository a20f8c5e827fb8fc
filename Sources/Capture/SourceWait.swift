import Logging
import Postgres
import Threading

/// The wait for a source whose WAL ends before the log does.
///
/// A standby may have to replay again what it had before its restart. Any other server never gets there by itself: it was
/// put back to an earlier state, and what it writes next is not what the log has.
struct SourceWait {
    /// Milliseconds that a standby gets.
    static let standbyPatience = 60_000

    /// The end of the log.
    let end: LSN
    /// Asks for the end of the source's WAL.
    let position: () throws -> LSN
    /// Asks whether the source is a standby.
    let isStandby: () throws -> Bool
    /// Milliseconds that a standby gets.
    var patience = SourceWait.standbyPatience

    /// Returns once the source has everything that the log has.
    ///
    /// - Throws: ``CaptureError`` with `sourceBehind` when it does not get there, or a stop request came before.
    func run(log: String, stop: StopRequest, logger: Logger) throws {
        var found = try position()
        guard !end.isCovered(by: found) else { return }
        if try isStandby() {
            logger.info(
                "the source, a standby, is at \(found); waiting until it has replayed up to the log's end, \(end)")
            let deadline = Deadline.after(milliseconds: patience)
            while !deadline.hasPassed, !stop.isRequested {
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 200))
                found = try position()
                if end.isCovered(by: found) { return }
            }
        }
        throw CaptureError(
            .sourceBehind,
            "the source's WAL ends at \(found), but the spool \(log) ends at \(end): the source was put back to an earlier "
                + "state, such as a snapshot of its machine, or is another server. Connect to the server that has "
                + "\(end); if there is none, drop the slot, use an empty --dir, and start again from a new copy")
    }
}
