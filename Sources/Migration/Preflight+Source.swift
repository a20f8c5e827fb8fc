import Capture
import Observability
import Postgres
import Selection
import Supervision
import Threading

// The source.
extension Preflight {
    /// pg_dump reads servers of its own version and older.
    func lookAtVersions() throws {
        let (ours, theirs) = (source.serverVersion / 10_000, target.serverVersion / 10_000)
        if options.follows && ours < 10 {
            fail(
                .source, "version", "the source has version \(ours); --follow needs 10 or newer",
                "copy without --follow")
        } else {
            pass(.source, "version", "\(ours)")
        }
        if options.failover && ours < 17 {
            fail(
                .source, "failover", "--failover needs a source of version 17 or newer; this one has \(ours)",
                "leave --failover out; after a failover of the source the migration then starts over")
        }
        if theirs < ours {
            warn(
                .target, "version",
                "the target has version \(theirs), older than the source; definitions may not fit it")
        } else {
            pass(.target, "version", "\(theirs)")
        }
        if let tools = ClientTools.find(source: ours, target: theirs) {
            pass(.here, "pg_dump", "\(tools.dump), version \(tools.version)")
            pass(.here, "pg_restore", "\(tools.restore), version \(tools.version)")
        } else {
            fail(
                .here, "pg_dump",
                "no pg_dump and pg_restore of version \(ours) or newer, both of one version, are in PATH or in "
                    + "/usr/lib/postgresql: there are \(ClientTools.words)", "install PostgreSQL's client programs")
        }
    }

    /// Only what is read can be had of a standby.
    func lookForStandbys() throws {
        for (place, server) in [(Finding.Place.source, source), (.target, target)] {
            guard try text(server, "SELECT pg_catalog.pg_is_in_recovery()") == "t" else {
                pass(place, "server", "a primary")
                continue
            }
            standbys.append(place)
            if place == .target {
                fail(place, "server", "the target is a standby, which takes no changes", "connect to its primary")
            } else if options.follows {
                fail(
                    place, "server",
                    "the source is a standby, where no publication can be made, and in the switchover no fence",
                    "connect to its primary; a copy without --follow can be made of a standby")
            } else {
                pass(place, "server", "a standby")
            }
        }
    }

    /// The schema is ours on both sides: what an application has there would be left out.
    func lookAtReservedSchema() throws {
        let names = try column(
            source,
            """
            SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n
                ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             WHERE n.nspname OPERATOR(pg_catalog.=) 'walrelay' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
               AND c.relname NOT IN ('progress', 'migration') ORDER BY 1
            """)
        guard !names.isEmpty else { return }
        fail(
            .source, "schema walrelay",
            "the source has \(Figures.some(names)) in the schema walrelay, which is never copied",
            "give the schema another name: ALTER SCHEMA walrelay RENAME TO …;")
    }

    /// What decoding needs, and for how long the source keeps what is not yet received.
    func lookAtSettings() throws {
        let level = try text(source, "SHOW wal_level")
        if level == "logical" {
            pass(.source, "wal_level", level)
        } else {
            fail(
                .source, "wal_level", "the source has wal_level = \(level)",
                providers.source.decodingAdvice,
                sql: providers.source == nil ? ["ALTER SYSTEM SET wal_level = logical;"] : nil)
        }
        try lookForRoom(
            .source, "max_replication_slots", needed: 1, toResume: 2,
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots")
        // One holds the snapshot while the other streams, also when an interrupted copy is resumed.
        try lookForRoom(
            .source, "max_wal_senders", needed: 2, "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication")
        try lookAtSlotLimits()
        let timeout = Int(
            try text(source, "SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'"))
        if let timeout, timeout > 0, timeout < 5000 {
            warn(
                .source, "wal_sender_timeout", "wal_sender_timeout = \(timeout) ms: a short stall ends the stream",
                providers.source.advice(setting: "wal_sender_timeout", to: "'60s'", restarts: false))
        } else {
            pass(.source, "wal_sender_timeout", timeout.map { $0 == 0 ? "none" : "\($0 / 1000) s" } ?? "")
        }
    }

    /// - Parameter toResume: how many it takes to continue with an interrupted copy, which is made of a second slot.
    func lookForRoom(
        _ place: Finding.Place, _ setting: String, needed: Int, toResume: Int = 0, _ used: String
    ) throws {
        let connection = place == .source ? source : target
        let limit = Int(try text(connection, "SHOW \(setting)")) ?? 0
        let taken = Int(try text(connection, used)) ?? 0
        let state = "the \(place.rawValue) has \(setting) = \(limit), and \(taken) are in use"
        let raise =
            providers.source.advice(setting: setting, to: "\(taken + max(needed, toResume))", restarts: true)
            + ", or free "
        guard limit - taken >= needed else {
            return fail(place, setting, state, raise + (needed == 1 ? "one" : "\(needed)"))
        }
        guard limit - taken >= toResume else {
            return warn(
                place, setting,
                "\(state): enough for a copy, but to continue with one that was interrupted takes another for as long as it "
                    + "copies, without which it can only be restarted", raise + "one")
        }
        pass(place, setting, "\(limit), of which \(taken) in use")
    }
}
