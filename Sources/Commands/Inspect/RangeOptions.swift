import ArgumentParser
import CommandSupport
import Spool

/// The options that say which stretch of the log is meant.
struct RangeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Only transactions from here on: an LSN (0/1A2B3C), or a time ('2026-01-31 12:00', UTC unless it has a zone).",
            valueName: "lsn|time"))
    var from: LogRange.Bound?

    @Option(help: ArgumentHelp("Only transactions up to here, likewise.", valueName: "lsn|time"))
    var to: LogRange.Bound?

    var range: LogRange { LogRange(from: from, to: to) }
}
