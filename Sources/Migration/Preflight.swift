import Apply
import Capture
import Logging
import Observability
import Postgres
import Threading

/// What must be so before anything is made, and what the user should know.
struct Preflight {
    let options: CloneOptions
    let logger: Logger

    /// - Returns: which databases these are.
    /// - Throws: ``MigrationError``, `CaptureError` or `PostgresError` with what must be changed.
    func run(_ source: Connection, _ target: Connection, stop: StopRequest) throws
        -> (source: CloneJournal.Database, target: CloneJournal.Database)
    {
        let identities = (try TargetDatabase.identity(source), try TargetDatabase.identity(target))
        guard identities.0 != identities.1 else {
            throw MigrationError(.usage, "source and target are the same database")
        }
        guard try text(target, "SELECT pg_catalog.pg_is_in_recovery()") == "f" else {
            throw MigrationError(
                .unsuitableServer, "the target is a standby, which takes no changes; connect to its primary")
        }
        try checkPrograms(source, target, stop)
        if options.follows {
            try checkSource(source)
            try checkTarget(target)
        }
        try warn(source, target)
        return identities
    }

    /// Settings, privileges and room for a slot. The slot's own connection looks at the rest.
    private func checkSource(_ source: Connection) throws {
        guard source.serverVersion >= 100_000 else {
            throw MigrationError(
                .unsuitableServer, "the source has version \(source.serverVersion); --follow needs 10 or newer")
        }
        let level = try text(source, "SHOW wal_level")
        guard level == "logical" else {
            throw MigrationError(
                .unsuitableServer,
                "the source has wal_level = \(level); run ALTER SYSTEM SET wal_level = logical there and restart it")
        }
        guard
            try text(source, "SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user")
                == "t"
        else {
            throw MigrationError(
                .privilege,
                "role \"\(source.user)\" may not replicate; run on the source: ALTER ROLE "
                    + "\(Quoting.identifier(source.user)) REPLICATION;")
        }
        try checkRoom(
            source, "max_replication_slots", needed: 1, "SELECT count(*) FROM pg_catalog.pg_replication_slots",
            "the source")
        // One holds the snapshot while the other streams.
        try checkRoom(
            source, "max_wal_senders", needed: 2, "SELECT count(*) FROM pg_catalog.pg_stat_replication", "the source")
    }

    private func checkTarget(_ target: Connection) throws {
        do {
            try target.execute("SET session_replication_role = replica", doing: "switching off triggers")
            try target.execute("RESET session_replication_role", doing: "switching on triggers")
            try target.query(
                "SELECT pg_catalog.pg_replication_origin_oid($1)", [options.origin], doing: "looking for an origin")
        } catch {
            guard error.sqlState == .insufficientPrivilege else { throw error }
            guard error.doing == "switching off triggers" else { throw Self.originPrivilege(target, error) }
            let role = Quoting.identifier(target.user)
            let advice = TargetPrivileges.replicaRoleAdvice(target)
            throw MigrationError(
                .privilege,
                "the role \(role) may not switch off triggers and foreign keys on the target; \(advice)")
        }
        let limit = target.serverVersion >= 180_000 ? "max_active_replication_origins" : "max_replication_slots"
        try checkRoom(
            target, limit, needed: 1, "SELECT count(*) FROM pg_catalog.pg_replication_origin_status", "the target")
    }

    private func checkRoom(
        _ connection: Connection, _ setting: String, needed: Int, _ used: String, _ server: String
    ) throws {
        let limit = Int(try text(connection, "SHOW \(setting)")) ?? 0
        let taken = Int(try text(connection, used)) ?? 0
        guard limit - taken >= needed else {
            throw MigrationError(
                .unsuitableServer,
                "\(server) has \(setting) = \(limit), and \(taken) are in use; raise it and restart the server, or free "
                    + (needed == 1 ? "one" : "\(needed)"))
        }
    }

    /// pg_dump reads servers of its own version and older.
    private func checkPrograms(_ source: Connection, _ target: Connection, _ stop: StopRequest) throws {
        for name in ["pg_dump", "pg_restore"] {
            var lines: [String] = []
            let code = try ClientProgram(name: name, arguments: ["--version"])
                .run(password: nil, stop: stop) { lines.append($0) }
            guard code == 0, let words = lines.first?.split(separator: " "), words.count >= 3,
                let version = words.lazy.compactMap({ Int($0.prefix { $0.isNumber }) }).first
            else {
                throw MigrationError(
                    .unsuitableServer,
                    "\(name) cannot be run (\(lines.first ?? "it says nothing")); put PostgreSQL's client programs in PATH"
                )
            }
            let server = source.serverVersion / 10_000
            guard version >= server else {
                throw MigrationError(
                    .unsuitableServer,
                    "\(name) has version \(version), but the source \(server); put the programs of version \(server) or "
                        + "newer first in PATH")
            }
        }
        guard target.serverVersion / 10_000 < source.serverVersion / 10_000 else { return }
        logger.warning(
            "the target has version \(target.serverVersion / 10_000), older than the source; definitions may not fit it"
        )
    }

    /// What is copied once, or not at all.
    private func warn(_ source: Connection, _ target: Connection) throws {
        let objects = Int(try text(source, "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata")) ?? 0
        if objects > 0 {
            logger.warning("\(objects) large objects are NOT copied; pg_dump --blobs and pg_restore can do that")
        }
        let configured = try text(
            source,
            "SELECT pg_catalog.string_agg(pg_catalog.quote_ident(extname), ', ') FROM pg_catalog.pg_extension "
                + "WHERE extconfig IS NOT NULL")
        if !configured.isEmpty {
            logger.warning("rows that users added to tables of extensions are NOT copied: \(configured)")
        }
        let encodings = (try text(source, "SHOW server_encoding"), try text(target, "SHOW server_encoding"))
        if encodings.0 != encodings.1 {
            logger.warning("the source's encoding is \(encodings.0), the target's \(encodings.1)")
        }
        guard options.follows else { return }
        let size = try text(source, "SELECT pg_catalog.current_setting('max_slot_wal_keep_size', true)")
        if !size.isEmpty && size != "-1" {
            logger.warning("max_slot_wal_keep_size = \(size) on the source: a slot that lags more is lost")
        }
    }

    private func text(_ connection: Connection, _ sql: String) throws -> String {
        try connection.execute(sql, doing: "looking at the server").text(0, 0) ?? ""
    }

    /// The GRANT for the functions that clone and replay call, with the signatures that this server has.
    static func originPrivilege(_ target: Connection, _ error: PostgresError) -> MigrationError {
        let functions = [
            "create", "drop", "oid", "advance", "session_setup", "session_progress", "progress", "xact_setup",
        ]
        return MigrationError(.privilege, TargetPrivileges.originAdvice(target, functions: functions, error))
    }
}
