import Catalog
import Comparison
import Copying
import Observability
import Postgres
import Spool
import Threading

/// Looks whether a switchover can be made now, and changes nothing but for a message in the source's WAL.
struct SwitchoverCheck {
    let options: CloneOptions
    let wishes: SwitchoverOptions
    private let journal: CloneJournal
    private let source: Connection
    private let target: Connection
    private(set) var findings: [Finding] = []
    private(set) var views: [MaterializedViews.View] = []

    init(_ options: CloneOptions, _ wishes: SwitchoverOptions, _ journal: CloneJournal) throws {
        self.journal = journal
        self.options = options
        self.wishes = wishes
        source = try SourceFence.connect(options.source)
        target = try TargetDatabase(options.target).connection
    }

    /// All but the lag.
    mutating func look() throws {
        try lookAtSlot()
        try lookAtPosition()
        try lookAtBlock()
        try lookAtSessions()
        if wishes.fences { try lookAtFence() }
        if wishes.keepsWayBack { findings += try Preflight.wayBackFindings(options.adopting(journal)) }
        try lookAtInFlight()
        try lookAtDefinitions()
        try lookAtRest()
        try lookAtViews()
    }

    /// The lag, waiting a moment for a first measurement.
    mutating func lookAtLag(isFollowed: Bool, _ stop: StopRequest) throws {
        let limit = wishes.maxLag ?? SwitchoverOptions.standardLimit
        let probe = try LagProbe(options)
        var lag = try probe.look()
        let patience = Deadline.after(milliseconds: 5_000)
        while isFollowed, lag.seconds == nil || !lag.isWithin(limit), !patience.hasPassed, !stop.isRequested {
            _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 250))
            lag = try probe.look()
        }
        if isFollowed {
            add(
                .pass, .here, "follower",
                "a clone follows, and applies what is left; it ends by itself when the switchover is made")
        } else {
            add(
                .warn, .here, "follower",
                "no clone follows: the switchover follows by itself, until the target is near enough")
        }
        if lag.isWithin(limit) || !isFollowed && wishes.maxLag == nil {
            add(.pass, .target, "lag", "\(lag.words); the limit is \(limit.words)")
        } else {
            add(
                isFollowed ? .fail : .warn, .target, "lag", "\(lag.words); the limit is \(limit.words)",
                isFollowed ? "wait, or name another with --max-lag" : nil, .lagging)
        }
    }

    private mutating func add(
        _ status: Finding.Status, _ place: Finding.Place, _ check: String, _ detail: String, _ remedy: String? = nil,
        _ exitStatus: ExitStatus = .unsuitableServer
    ) {
        findings.append(Finding(status, place, check, detail, remedy: remedy, exitStatus: exitStatus))
    }

    private mutating func lookAtSlot() throws {
        guard let slot = try SlotState.read(options.slot, on: source) else {
            return add(
                .fail, .source, "slot", "there is no slot \"\(options.slot)\" on the source",
                "changes are lost: start from a new copy", .slotMissing)
        }
        if slot.walStatus == "lost" || slot.invalidationReason != nil {
            return add(
                .fail, .source, "slot", "slot \"\(options.slot)\" has lost WAL that it needed",
                "changes are lost: start from a new copy", .slotLost)
        }
        add(.pass, .source, "slot", "\"\(options.slot)\" is there")
    }

    private mutating func lookAtBlock() throws {
        guard let status = try MigrationStatus(SpoolDirectory(options.spool)), status.running,
            let blocked = status.progress?.blocked
        else { return }
        add(
            .fail, .target, "applying", "applying is blocked since \(blocked.since): \(blocked.words)",
            "do what its message says, then run clone retry", ExitStatus(rawValue: blocked.code) ?? .conflict)
    }

    private mutating func lookAtPosition() throws {
        guard let position = try target.committedPosition(options.stream) else {
            return add(
                .fail, .target, "position", "the target has no position \"\(options.stream)\"",
                "name it with --origin; if it was removed, start from a new copy", .gap)
        }
        add(.pass, .target, "position", "\(position)")
    }

    private mutating func lookAtSessions() throws {
        let others = try OtherSessions(source: source).list(besidesOurs: true)
        if others.isEmpty {
            add(.pass, .source, "sessions", "no other session is connected")
        } else if wishes.fences {
            let spared = others.filter { !$0.mayBeEnded }
            add(
                .pass, .source, "sessions",
                "\(Figures.counted(others.count, "other session")) connected; --fence ends \(others.count - spared.count) of them"
            )
            for session in spared { add(.warn, .source, "sessions", SourceFence.words(of: session)) }
        } else {
            add(
                .warn, .source, "sessions",
                "\(Figures.counted(others.count, "other session")) connected to the source: what is written after the end position is lost",
                "stop the application first, or use --fence")
        }
    }

    private mutating func lookAtInFlight() throws {
        let inFlight = InFlight(source: source)
        let prepared = try inFlight.prepared()
        if prepared.isEmpty {
            add(.pass, .source, "prepared transactions", "none")
        } else {
            add(
                .fail, .source, "prepared transactions",
                "the source has prepared transactions that are neither committed nor rolled back: \(Figures.some(prepared))",
                InFlight.preparedRemedy, .conflict)
        }
        let subscriptions = try inFlight.subscriptions()
        if let first = subscriptions.first {
            add(
                .fail, .source, "subscriptions",
                "the source is itself written to by subscriptions: \(Figures.some(subscriptions))",
                "run there, for each: ALTER SUBSCRIPTION \(Quoting.identifier(first)) DISABLE;", .conflict)
        }
    }

    private mutating func lookAtDefinitions() throws {
        let drift = try DriftWatch.look(options, journal, source, target)
        for connection in [source, target] { try connection.set("lock_timeout", to: "0") }
        let serious = drift.serious
        let others = drift.items.filter(\.isHarmless)
        if !others.isEmpty {
            add(.warn, .target, "definitions", Figures.some(others.map(\.sentence)))
        }
        if serious.isEmpty {
            add(.pass, .source, "definitions", "the same as when the copy was made")
        } else {
            add(
                wishes.acceptsDrift ? .warn : .fail, .source, "definitions",
                "definitions changed since the copy: \(Figures.some(serious.map(\.sentence)))",
                wishes.acceptsDrift ? nil : Drift.remedy, .drift)
        }
    }

    private mutating func lookAtRest() throws {
        let plan = try RestPlan.make(options, journal, on: source, target)
        guard !plan.isEmpty else { return add(.pass, .source, "the rest", "everything is in the stream of changes") }
        let words = "not in the stream of changes: \(plan.words)"
        let estimate = "about \(max(1, plan.seconds)) s to compare, and to copy where it differs"
        switch wishes.rest {
        case .ignore: add(.warn, .source, "the rest", "\(words); left as the target has it")
        case .refuse: add(.pass, .source, "the rest", "\(words); \(estimate); the switchover fails if it differs")
        case .copy where plan.seconds > wishes.restLimitSeconds:
            add(
                .fail, .source, "the rest", "\(words); \(estimate), and the limit is \(wishes.restLimitSeconds) s",
                "allow more with --rest-limit, or leave it with --rest ignore and bring it over yourself", .drift)
        case .copy: add(.pass, .source, "the rest", "\(words); \(estimate)")
        }
    }

    private mutating func lookAtFence() throws {
        if let (words, remedy) = try SourceFence.writingRoles(source) { add(.fail, .source, "fence", words, remedy) }
        let missing = try SourceFence.missingGrants(source)
        guard !missing.isEmpty else {
            return add(.pass, .source, "fence", "role \"\(source.user)\" may make the source read-only")
        }
        add(
            .fail, .source, "fence", "role \"\(source.user)\" may not make the source read-only and end its sessions",
            "run on the source: \(missing.joined(separator: " "))", .privilege)
    }

    private mutating func lookAtViews() throws {
        guard wishes.refresh != .never else {
            return add(.pass, .target, "materialized views", "left as they are")
        }
        views = try MaterializedViews(on: target).views
        let foreign = views.filter { !$0.isOurs }.map(\.name)
        if foreign.isEmpty {
            add(.pass, .target, "materialized views", "\(views.count) to refresh")
        } else {
            add(
                .fail, .target, "materialized views",
                "role \"\(target.user)\" does not own \(Figures.some(foreign)), so it may not refresh them",
                "use a role that does, or --skip-refresh, and refresh them later", .privilege)
        }
    }
}
