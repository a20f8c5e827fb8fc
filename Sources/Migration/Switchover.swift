import Capture
import Glibc
import Logging
import Observability
import Postgres
import Spool
import Threading

/// Brings a followed migration to its end position, and proves it.
public struct Switchover: Sendable {
    private let options: CloneOptions
    private let logger: Logger
    private let spool: SpoolDirectory

    /// The switchover of the migration with these options.
    public init(_ options: CloneOptions, logger: Logger) {
        var options = options
        options.follows = true
        self.options = options
        self.logger = logger
        spool = SpoolDirectory(options.spool)
    }

    /// Ends the follower, applies everything up to the source's present position, verifies it, sets the sequences.
    ///
    /// - Returns: that position.
    public func run(_ stop: StopRequest) async throws -> LSN {
        let journal = try journal()
        let lock = try await Worker.run(name: "taking over") { try takeOver(journal.pid, stop) }
        defer { withExtendedLifetime(lock) {} }
        guard options.fences else { return try await drain(journal, stop) }
        let fence = try await Worker.run(name: "fence") { try SourceFence.raise(options.source, logger) }
        do {
            return try await drain(journal, stop)
        } catch {
            // The application can go on where it was.
            try await Worker.run(name: "fence") { try fence.lower(logger) }
            throw error
        }
    }

    /// Applies what the source has by now, verifies it, and sets the sequences.
    private func drain(_ journal: CloneJournal, _ stop: StopRequest) async throws -> LSN {
        let options = self.options
        let (marker, end) = try await Worker.run(name: "source") { try endPosition() }
        logger.info("the end position is \(end)")
        var following = options
        following.end = end.description
        following.publications = journal.publications
        guard case .done = try await CloneRun(following, logger: logger).follow(journal, stop) else {
            throw MigrationError(
                .incomplete, "stopped before the end position \(end); run clone switchover again, or clone --follow")
        }
        return try await Worker.run(name: "finishing") {
            try verify(marker, end)
            let count = try CloneEnd(options, logger: logger).setSequences()
            logger.info("\(count) sequences are set")
            var journal = journal
            journal.switchedAt = end
            journal.pid = getpid()
            try journal.write(spool)
            return end
        }
    }

    private func journal() throws -> CloneJournal {
        guard let journal = try CloneJournal.read(spool) else {
            throw MigrationError(
                .inputOutput, "\(options.spool) holds no journal of a clone; name its folder with --dir")
        }
        guard journal.phase == .following, journal.slot == options.slot, journal.origin == options.origin else {
            throw MigrationError(
                .conflict,
                "there is nothing to switch: the migration in \(options.spool) with slot \"\(journal.slot)\" is "
                    + "\(journal.phase.rawValue)")
        }
        return journal
    }

    /// Has a clone that follows end in good order, and takes its place.
    private func takeOver(_ pid: pid_t, _ stop: StopRequest) throws -> SpoolLock {
        let patience = Deadline.after(milliseconds: 60_000)
        var isAsked = false
        while true {
            do throws(SpoolError) {
                return try spool.lockForClone()
            } catch {
                guard error.code == .locked, !patience.hasPassed, !stop.isRequested else { throw error }
            }
            // While the lock is held, the number is that of its holder.
            if !isAsked { kill(pid, SIGTERM) }
            isAsked = true
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 100))
        }
    }

    /// A transaction of ours is the last that the target must have: when its origin is past that, it has all before.
    private func endPosition() throws -> (marker: LSN, end: LSN) {
        let source = try Connection(options.source, applicationName: TargetDatabase.applicationName)
        let writers =
            try source.execute(
                """
                SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database()
                   AND backend_type = 'client backend' AND pid <> pg_catalog.pg_backend_pid()
                """, doing: "looking for other sessions"
            ).text(0, 0).flatMap { Int($0) } ?? 0
        if writers > 0 {
            logger.warning("\(writers) other sessions are connected to the source; what they write from now on is lost")
        }
        let doing = "taking the end position"
        let marker = try source.execute(
            "SELECT pg_catalog.pg_logical_emit_message(true, 'walrelay', 'switchover')", doing: doing)
        let end = try source.currentPosition(doing: doing)
        guard let marker = marker.text(0, 0).flatMap({ LSN($0) }) else {
            throw PostgresError(.unexpectedAnswer, "the answer cannot be read", doing: doing)
        }
        return (marker, end)
    }

    private func verify(_ marker: LSN, _ end: LSN) throws {
        let target = try TargetDatabase(options.target)
        let position = try target.connection.replicationOriginProgress(options.origin) ?? .zero
        guard position >= marker else {
            throw MigrationError(
                .incomplete, "the target's origin is at \(position), before the last transaction up to \(end)")
        }
    }
}
