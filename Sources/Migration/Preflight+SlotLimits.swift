import Copying
import Observability
import Postgres

// What ends a slot that nobody reads from for a while: too much WAL, or too much time. Then only a new copy helps.
extension Preflight {
    func lookAtSlotLimits() throws {
        try lookAtSlotSize()
        try lookAtSlotTime()
    }

    private func lookAtSlotSize() throws {
        let setting = "max_slot_wal_keep_size"
        let row = try source.execute(
            "SELECT pg_catalog.current_setting('\(setting)', true), setting FROM pg_catalog.pg_settings WHERE name = '\(setting)'",
            doing: "looking at what a slot may keep")
        guard let size = row.text(0, 0), let megabytes = row.text(0, 1).flatMap({ Double($0) }), megabytes >= 0 else {
            return pass(.source, setting, "no limit: the source's disk must have room for what receive misses")
        }
        var pace = ""
        if let rate = try bytesOfWALPerSecond(), rate > 0 {
            let time = Figures.duration(seconds: megabytes * 1_048_576 / rate)
            pace =
                ": at the pace of the source's WAL, \(CloneProgress.size(Int(rate)))/s on average, clone may be away for \(time)"
        }
        warn(
            .source, setting,
            "\(setting) = \(size) on the source: a slot that lags more is lost, and the migration with it\(pace)",
            "if more may pile up while receive is away: "
                + providers.source.advice(setting: setting, to: "-1", restarts: false))
    }

    /// The average since the source's statistics were reset; nil where the server is too old to say, or a standby.
    private func bytesOfWALPerSecond() throws -> Double? {
        guard source.serverVersion >= 140_000 else { return nil }
        return try source.execute(
            """
            SELECT wal_bytes::pg_catalog.float8 OPERATOR(pg_catalog./)
                     nullif(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()
                       OPERATOR(pg_catalog.-) coalesce(stats_reset, pg_catalog.pg_postmaster_start_time())), 0)
              FROM pg_catalog.pg_stat_wal WHERE NOT pg_catalog.pg_is_in_recovery()
            """, doing: "asking how fast the source writes"
        ).text(0, 0).flatMap { Double($0) }
    }

    private func lookAtSlotTime() throws {
        let setting = "idle_replication_slot_timeout"
        let time = try source.execute(
            "SELECT pg_catalog.current_setting('\(setting)', true) FROM pg_catalog.pg_settings WHERE name = '\(setting)' AND setting <> '0'",
            doing: "looking at how long a slot may be idle"
        ).text(0, 0)
        if let time {
            warn(
                .source, setting,
                "\(setting) = \(time) on the source: a slot that nobody reads from for so long is lost, and the migration with it",
                "if clone may be away for so long: "
                    + providers.source.advice(setting: setting, to: "0", restarts: false))
        } else if providers.source == .neon {
            warn(
                .source, "idle slots",
                "Neon removes a slot that nobody has read from for about 40 hours, and the migration with it",
                "do not leave clone stopped for a day")
        }
    }
}
