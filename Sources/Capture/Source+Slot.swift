import Postgres

extension Source {
    /// Creates a slot, or finds that a suitable one exists if `ifNotExists`.
    ///
    /// - Returns: the new slot; nil when it existed already.
    /// - Throws: ``CaptureError`` (`slotExists`, `slotMismatch`) or ``PostgresError``.
    public func createSlot(_ slot: String, options: SlotOptions, ifNotExists: Bool) throws -> CreatedSlot? {
        if let state = try SlotState.read(slot, on: catalog) {
            guard ifNotExists else {
                throw CaptureError(
                    .slotExists,
                    "slot \"\(slot)\" exists already; use it as it is with --if-not-exists, or drop it with --drop-slot"
                )
            }
            try checkUsable(state)
            guard !options.failover || state.isFailover else {
                throw CaptureError(
                    .slotMismatch,
                    "slot \"\(slot)\" exists, but was made without --failover: standbys do not copy it. Drop it with "
                        + "--drop-slot, or leave --failover out")
            }
            return nil
        }
        if options.failover && catalog.serverVersion < 170_000 {
            throw CaptureError(
                .unsuitableServer,
                "--failover needs a source of version 17 or newer; this one has \(catalog.serverVersion / 10_000)")
        }
        do {
            return try replication.createLogicalSlot(slot, options: options)
        } catch {
            throw explained(error, slot: slot)
        }
    }

    /// True when there is a slot of this name, of whatever kind.
    public func hasSlot(_ slot: String) throws -> Bool {
        try SlotState.read(slot, on: catalog) != nil
    }

    /// Drops a slot of this database; with `ifExists`, its absence is fine. False when there was none.
    ///
    /// - Throws: ``CaptureError`` with `slotMismatch` for one that somebody else has made: names of slots are the server's, and
    ///   ours is the same by default in each of its databases.
    public func dropSlot(_ slot: String, ifExists: Bool) throws -> Bool {
        guard let state = try SlotState.read(slot, on: catalog) else {
            guard ifExists else { throw missing(slot) }
            return false
        }
        try checkIsOfDatabase(state)
        do {
            try replication.dropSlot(slot)
        } catch {
            throw explained(error, slot: slot)
        }
        return true
    }

    /// The state of a slot that is about to be streamed from.
    ///
    /// - Throws: ``CaptureError``: `slotMissing`, `slotMismatch`, `slotLost` or `slotActive`.
    public func usableSlot(_ slot: String) throws -> (state: SlotState, confirmed: LSN) {
        guard let state = try SlotState.read(slot, on: catalog) else { throw missing(slot) }
        try checkUsable(state)
        if state.walStatus == "lost" || state.invalidationReason != nil {
            let reason = state.invalidationReason.map { ", because of \($0)" } ?? " (max_slot_wal_keep_size)"
            throw CaptureError(
                .slotLost,
                "slot \"\(slot)\" is lost: the source removed WAL or rows that it needed\(reason). Changes are missing for "
                    + "good: drop the slot and start the migration again from a new copy")
        }
        if state.isSynced, try isInRecovery() {
            throw CaptureError(
                .unsuitableServer,
                "the source is a standby, and slot \"\(slot)\" is its copy of the primary's: it can be used only once this "
                    + "server is promoted. Connect to the primary; with host=a,b target_session_attrs=primary libpq finds it"
            )
        }
        // A temporary slot is held by the session that made it.
        if let pid = state.activePID, pid != replication.backendPID {
            throw CaptureError(
                .slotActive,
                "slot \"\(slot)\" is in use by server process \(pid); stop the program that streams from it, or run on "
                    + "the source: SELECT pg_catalog.pg_terminate_backend(\(pid));")
        }
        guard let confirmed = state.confirmedFlush else {
            throw CaptureError(.slotMismatch, "slot \"\(slot)\" has no position yet; is it still being created?")
        }
        return (state, confirmed)
    }

    private func missing(_ slot: String) -> CaptureError {
        CaptureError(
            .slotMissing,
            "there is no slot \"\(slot)\" on the source; create it with --create-slot before the data is copied"
                + (timeline.number == 1
                    ? ""
                    : ". This server was promoted: it has a slot of its former primary only if that was made with "
                        + "--failover (17 and newer) and the standby had copied it (sync_replication_slots = on) by then. "
                        + "Changes since the last one in the log cannot be had here: go back to the former primary, or "
                        + "start again from a new copy"))
    }

    private func checkUsable(_ state: SlotState) throws {
        guard let plugin = state.plugin else {
            throw CaptureError(.slotMismatch, "slot \"\(state.name)\" is a physical slot; choose another name")
        }
        guard plugin == "pgoutput" else {
            throw CaptureError(
                .slotMismatch,
                "slot \"\(state.name)\" uses plugin \"\(plugin)\", not pgoutput; choose another name with --slot")
        }
        guard !state.isTwoPhase else {
            throw CaptureError(
                .slotMismatch,
                "slot \"\(state.name)\" sends prepared transactions at PREPARE (two_phase); receive takes them at COMMIT "
                    + "PREPARED: make the slot without that option, or choose another name with --slot")
        }
        try checkIsOfDatabase(state)
    }

    private func checkIsOfDatabase(_ state: SlotState) throws {
        guard state.database != catalog.database else { return }
        throw CaptureError(
            .slotMismatch,
            "slot \"\(state.name)\" belongs to "
                + (state.database.map { "database \"\($0)\", not \"\(catalog.database)\"" }
                    ?? "no database: it is a physical slot")
                + "; nothing was changed")
    }

    /// The server's refusal of a slot command, with what to do about it.
    func explained(_ error: PostgresError, slot: String) -> any Error {
        switch error.sqlState {
        case .insufficientPrivilege:
            CaptureError(
                .privilege,
                "\(error); run on the source: "
                    + ((try? Provider.of(catalog)) ?? nil).replicationGrant(Quoting.identifier(catalog.user)))
        case .configurationLimitExceeded:
            CaptureError(
                .unsuitableServer, "\(error); raise max_replication_slots and max_wal_senders, or drop unused slots")
        case .objectInUse:
            CaptureError(.slotActive, "\(error); stop the program that streams from slot \"\(slot)\" first")
        case .undefinedObject where error.message.contains("replication slot"):
            missing(slot)
        case .duplicateObject:
            CaptureError(.slotExists, "\(error)")
        case .undefinedFile:
            CaptureError(
                .unsuitableServer,
                "\(error); sessions of the role look for the server's libraries where they are not: run on the source, as a "
                    + "superuser: ALTER DATABASE \(Quoting.identifier(catalog.database)) RESET dynamic_library_path; or the same of "
                    + "the role")
        case .objectNotInPrerequisiteState
        where error.message.contains("slot") && error.message.contains("can no longer"):
            CaptureError(.slotLost, "\(error); drop the slot and start the migration again from a new copy")
        default:
            error
        }
    }

    /// The stream names nothing but publications. One that is not there at a place in the WAL never will be, whatever is made now.
    static func lacksPublication(_ error: PostgresError) -> CaptureError {
        CaptureError(
            .publicationMissing,
            "\(error): at this place in the WAL the publication is not there, because it was dropped, or made after the slot. What was "
                + "written meanwhile cannot be decoded, also when it is made again: drop the slot and start again from a new copy"
        )
    }
}
