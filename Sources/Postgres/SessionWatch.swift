import Synchronization
import Threading

/// Watches what the sessions of this process wait for, from a thread of its own: says for whom after ten seconds, and ends
/// a session whose server process, or whose server, is not there any more.
public final class SessionWatch: Sendable {
    /// The watch of this process.
    public static let shared = SessionWatch()

    /// Milliseconds between two looks while sessions wait, and the most while none does: each is a wake-up of a machine that
    /// may be idle.
    private static let lookMilliseconds = 500
    private static let idleMilliseconds = 5_000
    /// Seconds of waiting after which it is said for whom, and after which it is said again.
    private static let firstSeconds = 10
    private static let againSeconds = 60

    /// What is known of a session's wait.
    private struct Watched {
        var since: Deadline
        var lookAt: Deadline
        var sayAt: Deadline
        var unreachableSince: Deadline?
        var isAsking = false
        var words: String?
    }

    private let waits = Mutex<[Int: Watched]>([:])
    private let silence = Atomic<Int>(60)
    private let stopping = StopRequest()

    private init() {}

    /// Seconds without an answer after which a session's server is looked for, and for which it may be out of reach; 0 for
    /// ever.
    public var silenceLimit: Int {
        get { silence.load(ordering: .relaxed) }
        set { silence.store(newValue, ordering: .relaxed) }
    }

    /// For whom the sessions wait at present, if that is known.
    public var current: String? {
        let words = waits.withLock { $0.values.compactMap(\.words).sorted() }
        return words.isEmpty ? nil : words.joined(separator: "; ")
    }

    /// Starts the thread.
    ///
    /// - Parameter report: takes a line about a wait.
    public func start(_ report: @escaping @Sendable (String) -> Void) {
        _ = Worker.start(name: "session watch") {
            while !self.stopping.isRequested {
                let next = self.look(report)
                _ = Polling.wait(self.stopping.descriptor, until: next)
            }
        }
    }

    /// Ends the thread.
    public func stop() { stopping.request() }

    /// - Returns: when to look again: in time for each wait that is known, and for one that begins now.
    private func look(_ report: @escaping @Sendable (String) -> Void) -> Deadline {
        let activities = OpenSessions.all.activities()
        let limit = silenceLimit
        let first = limit > 0 ? min(limit, Self.firstSeconds) : Self.firstSeconds
        let (due, next) = waits.withLock { waits in
            waits = waits.filter { activities[$0.key]?.waitingSince == $0.value.since }
            var due: [Int] = []
            for (number, activity) in activities {
                guard let since = activity.waitingSince else { continue }
                var wait =
                    waits[number]
                    ?? Watched(
                        since: since, lookAt: since + first * 1_000, sayAt: since + Self.firstSeconds * 1_000)
                if wait.lookAt.hasPassed && !wait.isAsking {
                    wait.isAsking = true
                    wait.lookAt = .after(milliseconds: first * 1_000)
                    due.append(number)
                }
                waits[number] = wait
            }
            // A wait of which something was said is looked at often: it may be over.
            let isAsked = waits.values.contains { $0.isAsking || $0.words != nil || $0.unreachableSince != nil }
            let latest = isAsked ? Self.lookMilliseconds : min(Self.idleMilliseconds, first * 1_000 / 2)
            let soonest = Deadline.after(milliseconds: Self.lookMilliseconds)
            let wanted = waits.values.map(\.lookAt).min() ?? .never
            return (due, max(soonest, min(wanted, .after(milliseconds: latest))))
        }
        for number in due {
            guard let activity = activities[number], let since = activity.waitingSince else { continue }
            // A server that does not answer keeps only this thread.
            let worker = Worker.start(name: "session watch") {
                self.note(Self.ask(activity), number, activity, since, report)
            }
            if worker == nil { waits.withLock { $0[number]?.isAsking = false } }
        }
        return next
    }

    /// What a second session says of the first.
    private enum Answer {
        /// It is there, and waits for what the words say.
        case waits(String?)
        case isGone
        /// Nothing is known: another server, or one that takes no further session.
        case unknown
        case isUnreachable(String)
    }

    private func note(
        _ answer: Answer, _ number: Int, _ activity: SessionActivity, _ since: Deadline,
        _ report: (String) -> Void
    ) {
        let seconds = { (from: Deadline) in Int((Deadline.now.nanoseconds - from.nanoseconds) / 1_000_000_000) }
        let limit = silenceLimit
        var line: String?
        var isLost = false
        waits.withLock { waits in
            guard var wait = waits[number], wait.since == since else { return }
            wait.isAsking = false
            switch answer {
            case .waits(let words):
                wait.words = words
                wait.unreachableSince = nil
                // A statement that runs needs no second look soon.
                if words == nil { wait.lookAt = .after(milliseconds: Self.againSeconds * 1_000) }
                guard let words, wait.sayAt.hasPassed else { break }
                wait.sayAt = .after(milliseconds: Self.againSeconds * 1_000)
                line = "waiting for \(seconds(since)) s: \(words)"
            case .unknown: wait.unreachableSince = nil
            case .isGone:
                isLost = limit > 0 && seconds(since) >= limit
                if isLost { line = "the server process \(activity.backendPID) of a session is gone: connection lost" }
            case .isUnreachable(let why):
                let from = wait.unreachableSince ?? .now
                if wait.unreachableSince == nil { line = "a server does not answer, and cannot be reached: \(why)" }
                wait.unreachableSince = from
                isLost = limit > 0 && seconds(since) >= limit && seconds(from) >= limit
                if isLost { line = "a server has not been reached for \(seconds(from)) s: connection lost" }
            }
            waits[number] = wait
        }
        if let line { report(line) }
        if isLost { OpenSessions.all.shutDown(session: number) }
    }

    /// Says for whom the session `a` waits; NULL when it waits for nobody. What a session does is shown to those who may
    /// see it.
    static let blockers = """
        (SELECT pg_catalog.string_agg(CASE b.pid WHEN 0 THEN pg_catalog.concat(
            'a prepared transaction, which COMMIT PREPARED or ROLLBACK PREPARED ends, of: ',
            (SELECT pg_catalog.string_agg(pg_catalog.format('%L of role %s, since %s', p.gid, p.owner,
                pg_catalog.date_trunc('second', p.prepared)), ', ' ORDER BY p.prepared)
               FROM pg_catalog.pg_prepared_xacts p))
          ELSE pg_catalog.concat(
            pg_catalog.format('process %s of role %s', b.pid, coalesce(s.usename, '?')),
            pg_catalog.concat(', in a transaction since ', pg_catalog.date_trunc('second', s.xact_start)),
            pg_catalog.concat(': ', pg_catalog."left"(s.query, 200))) END, '; ')
          FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(a.pid)) AS b (pid)
          LEFT JOIN pg_catalog.pg_stat_activity s ON s.pid OPERATOR(pg_catalog.=) b.pid)
        """

    private static func ask(_ activity: SessionActivity) -> Answer {
        do throws(PostgresError) {
            let session = try Connection(activity.string, applicationName: "walrelay watch", isWatched: false)
            // With several hosts, or an address that moves, it may be another server.
            guard let start = activity.serverStart, start == session.activity?.serverStart else { return .unknown }
            let result = try session.query(
                """
                SELECT a.wait_event, \(Self.blockers) FROM pg_catalog.pg_stat_activity a
                 WHERE a.pid OPERATOR(pg_catalog.=) $1::pg_catalog.int4
                """, [String(activity.backendPID)], doing: "looking for what is waited for")
            guard result.rowCount > 0 else { return .isGone }
            if let blockers = result.text(0, 1) { return .waits("for " + blockers) }
            switch result.text(0, 0) {
            case "SyncRep": return .waits("for a synchronous standby to confirm a commit")
            default: return .waits(nil)
            }
        } catch {
            guard error.code == .cannotConnect || error.code == .connectionLost else { return .unknown }
            // The server refused the session: it is there.
            return error.message.contains("FATAL:") ? .unknown : .isUnreachable(error.message)
        }
    }
}

extension Connection {
    /// For whom the sessions of a program in this database wait, those that have for ten seconds; nil when none does.
    ///
    /// - Parameter application: the name that the program's sessions have.
    /// - Throws: ``PostgresError``.
    public func waits(of application: String) throws(PostgresError) -> String? {
        let result = try query(
            """
            SELECT pg_catalog.string_agg(DISTINCT w.blockers, '; ') FROM (
                SELECT \(SessionWatch.blockers) AS blockers FROM pg_catalog.pg_stat_activity a
                 WHERE a.application_name OPERATOR(pg_catalog.=) $1
                   AND a.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
                   AND a.wait_event_type = 'Lock' AND a.query_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => 10)
              ) AS w
            """, [application], doing: "looking for what is waited for")
        return result.text(0, 0)
    }
}
