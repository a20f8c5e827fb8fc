import ArgumentParser
import CommandSupport
import Logging
import Migration
import Observability
import Postgres
import Threading

/// The options of a switchover, in either direction, and what is done with them.
struct SwitchoverArguments: ParsableArguments {
    @OptionGroup
    var servers: CloneArguments

    @Option(
        help: ArgumentHelp(
            "Begin when the target is less than this behind: bytes or seconds. (default: 16MB, while clone follows)",
            valueName: "16MB|5s"))
    var maxLag: LagArgument?

    @Option(help: ArgumentHelp("How long to wait for that.", valueName: "seconds"))
    var lagTimeout = 300

    @Flag(
        help: "Make the source's database read-only first, and end its other sessions; undone if the switchover fails.")
    var fence = false

    @Option(
        help: ArgumentHelp(
            "How long to wait for transactions that are open on the source.", valueName: "seconds"))
    var inFlightTimeout = 30

    @Flag(help: "Continue when definitions of the two sides differ: what only the source has is lost.")
    var acceptDrift = false

    @Option(
        help: ArgumentHelp(
            "What to do with what the stream of changes does not carry (large objects, unlogged tables, tables without "
                + "replica identity): compare it and copy what differs, refuse if anything differs, or ignore it.",
            valueName: "copy|refuse|ignore"))
    var rest = RestPlan.Policy.copy

    @Option(help: ArgumentHelp("Refuse when that would take longer by the estimate.", valueName: "seconds"))
    var restLimit = 60

    @Flag(
        help: ArgumentHelp(
            "Refresh materialized views before the application can use the target. Otherwise they are refreshed before the "
                + "fence and right after that, and are as they were before the fence until then."))
    var refreshInside = false

    @Flag(help: "Leave materialized views as they were copied.")
    var skipRefresh = false

    @Flag(help: "Compare all rows at the end, and fail if any differ. Takes as long as reading both databases does.")
    var compare = false

    @OptionGroup
    var events: EventArgument

    @Option(help: ArgumentHelp("Apply the changes on so many connections.", valueName: "number"))
    var applyJobs = 1

    @Option(help: ArgumentHelp("How many tables to compare at once.", valueName: "number"))
    var tableJobs = 4

    @Flag(help: "Say what would be done, and whether it could be now; change nothing.")
    var dryRun = false

    func validate() throws {
        try ApplyJobs.check(applyJobs)
        if !(0...1_000_000 ~= lagTimeout) { throw ValidationError("--lag-timeout must be from 0 to 1000000") }
        for (name, value) in [("in-flight-timeout", inFlightTimeout), ("rest-limit", restLimit)]
        where !(0...1_000_000 ~= value) { throw ValidationError("--\(name) must be from 0 to 1000000") }
        if refreshInside && skipRefresh {
            throw ValidationError("--refresh-inside and --skip-refresh exclude each other")
        }
        if !(1...128 ~= tableJobs) { throw ValidationError("--table-jobs must be from 1 to 128") }
    }

    /// Makes the switchover, or says what it would do.
    ///
    /// - Parameter isBack: applications return to where they were before the last one.
    func run(isBack: Bool, keepsWayBack: Bool) async throws {
        let logger = servers.log.logger("clone")
        var options = try servers.options()
        if let unfinished = try Switchover.unfinished(options, logger: logger, isBack: isBack) {
            return try await finish(unfinished)
        }
        try Switchover.checkDirection(options, isBack: isBack)
        options.applyJobs = applyJobs
        options.eventCommand = events.onEvent
        options.tableJobs = tableJobs
        var wishes = SwitchoverOptions()
        wishes.maxLag = maxLag?.limit
        wishes.lagPatienceSeconds = lagTimeout
        wishes.fences = fence
        wishes.keepsWayBack = keepsWayBack
        wishes.refresh = skipRefresh ? .never : refreshInside ? .inside : .afterwards
        wishes.compares = compare
        wishes.inFlightSeconds = inFlightTimeout
        wishes.acceptsDrift = acceptDrift
        wishes.rest = rest
        wishes.restLimitSeconds = restLimit
        let switchover = Switchover(options, wishes, logger: logger)
        if dryRun { return try await rehearse(switchover) }
        if switchover.hasMoreToDo { return try await finish(switchover) }
        // A terminal that is closed must not leave the application locked out.
        let outcome = try await Program.runAsync(hangup: {}) { stop in
            let report = ProgressReport(
                switchover.progress, spool: options.spool, isQuiet: servers.log.quiet, logger: logger)
            defer { report.end() }
            return try await switchover.run(stop)
        }
        conclude(outcome, options, isBack: isBack, keepsWayBack)
        try await finish(switchover)
    }

    /// What the application need not wait for.
    private func finish(_ switchover: Switchover) async throws {
        let (refreshed, stale) = try await Program.run { stop in try switchover.afterwards(stop) }
        if refreshed > 0 { Output.line("Refreshed \(Figures.counted(refreshed, "materialized view")).") }
        for view in stale {
            Output.line("Next: fix what keeps \(view) from being refreshed, then REFRESH MATERIALIZED VIEW \(view);")
        }
    }

    private func rehearse(_ switchover: Switchover) async throws {
        let (findings, plan) = try await Program.run { stop in try switchover.check(stop) }
        FindingTable.print(findings)
        Output.line("\nIt would:")
        for (index, step) in plan.sentences.enumerated() { Output.line("  \(index + 1). \(step)") }
        if let failure = findings.first(where: { $0.status == .fail }) {
            throw ProgramFailure(failure.exitStatus, "a switchover could not be made now; nothing was changed")
        }
        Output.line("\nA switchover could be made now. Nothing was changed.")
    }

    private func conclude(
        _ outcome: Switchover.Outcome, _ options: CloneOptions, isBack: Bool, _ keepsWayBack: Bool
    ) {
        Table.print(
            ["step", "seconds"], outcome.steps.map { [$0.name, CopySummary.text($0.seconds)] }, alignedRight: [1])
        if fence {
            Output.line("From the read-only source to the end: \(CopySummary.text(outcome.steps.pauseSeconds)) s.")
        }
        var done = "The target has everything up to \(outcome.end)"
        done += outcome.sequences.map { ". Set \(Figures.counted($0, "sequence"))" } ?? ""
        done += outcome.rest.isEmpty ? "" : ", \(outcome.rest.joined(separator: ", ")) brought over again"
        done += outcome.views.map { ", refreshed \(Figures.counted($0, "materialized view"))" } ?? ""
        done += outcome.comparedTables.map { ", compared \(Figures.counted($0, "table")), all equal" } ?? ""
        Output.line("\n\(done).\n\nNext:")
        var next = [
            """
            let the application use the target: \(options.target.redacted)
                 instead of the source: \(options.source.redacted)
            """,
            keepsWayBack
                ? "let clone --follow run: it applies what the application writes now on the other side, so that clone "
                    + (isBack ? "switchover" : "switchback") + " can return; clone cleanup ends that"
                : """
                clone cleanup --dir \(ShellWord.quoted(servers.dir)) drops slot \(options.slot), which keeps WAL on the source until then
                """,
        ]
        if fence {
            let database = options.source.parameters["dbname"] ?? "…"
            next.append(
                keepsWayBack
                    ? "leave the source read-only: what was written to it would collide with what comes from the other side"
                    : "the source is read-only; to let it be written to again: \(SourceFence.undo(database))")
        }
        next += outcome.remarks
        for view in outcome.staleViews {
            next.append("fix what keeps \(view) from being refreshed, then REFRESH MATERIALIZED VIEW \(view);")
        }
        if skipRefresh { next.append("refresh the materialized views") }
        for (index, step) in next.enumerated() { Output.line("  \(index + 1). \(step)") }
    }
}

extension RestPlan.Policy: ExpressibleByArgument {}
