/// How a server is asked to stop, as in `pg_ctl stop --mode`.
public enum ServerStopMode: String, Sendable {
    /// Waits until all clients have gone.
    case smart
    /// Ends the sessions and writes a checkpoint. WAL senders send the rest before.
    case fast
    /// Stops at once: recovery at the next start.
    case immediate
}
