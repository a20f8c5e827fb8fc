/// A row of `pg_replication_slots`.
public struct SlotState: Sendable, Equatable {
    /// The slot's name.
    public let name: String
    /// The output plugin; nil for a physical slot.
    public let plugin: String?
    /// The database of a logical slot.
    public let database: String?
    /// The process that uses the slot at present.
    public let activePID: Int32?
    /// Where the next session begins: every commit that ends at or before it was acknowledged.
    public let confirmedFlush: LSN?
    /// The oldest WAL that the slot retains.
    public let restart: LSN?
    /// `reserved`, `extended`, `unreserved` or `lost` (13 and later).
    public let walStatus: String?
    /// Why the slot was invalidated, in the server's word (17 and later).
    public let invalidationReason: String?
    /// Prepared transactions are sent at PREPARE (15 and later).
    public let isTwoPhase: Bool
    /// Standbys may have a copy of it (17 and later).
    public let isFailover: Bool
    /// It is such a copy, made by this server while it was a standby (17 and later).
    public let isSynced: Bool

    /// Reads one slot's state; nil when there is no such slot.
    public static func read(_ slot: String, on connection: Connection) throws(PostgresError) -> SlotState? {
        // to_jsonb makes a column that older servers lack read as NULL instead of failing.
        let result = try connection.query(
            """
            SELECT plugin, database, active_pid, confirmed_flush_lsn, restart_lsn,
                   pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'wal_status',
                   pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'two_phase',
                   pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'invalidation_reason',
                   pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'failover',
                   pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'synced'
              FROM pg_catalog.pg_replication_slots s WHERE slot_name OPERATOR(pg_catalog.=) $1
            """, [slot], doing: "looking at slot \"\(slot)\"")
        guard result.rowCount == 1 else { return nil }
        let row = result.row(0)
        return SlotState(
            name: slot, plugin: row[0], database: row[1], activePID: row[2].flatMap { Int32($0) },
            confirmedFlush: row[3].flatMap { LSN($0) }, restart: row[4].flatMap { LSN($0) }, walStatus: row[5],
            invalidationReason: row[7], isTwoPhase: row[6] == "true", isFailover: row[8] == "true",
            isSynced: row[9] == "true")
    }
}
