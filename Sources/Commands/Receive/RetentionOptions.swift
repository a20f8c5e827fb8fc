import ArgumentParser
import Capture
import CommandSupport
import Logging
import Postgres
import Spool

/// What becomes of sealed segments.
struct RetentionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Shell command that copies a sealed segment to a safe place: %p is its path, %f its name. It must exit with "
                + "0 only when the segment is safe.",
            valueName: "command"))
    var archiveCommand: String?

    @Flag(
        help: ArgumentHelp(
            "Remove segments that the position on --target is past, or that are older than --prune-older-than, or both when "
                + "both are given, and that are archived if this spool ever was; then exit, unless --start is given too."
        ))
    var prune = false

    @Option(help: ArgumentHelp("Age below which --prune keeps a segment: 90s, 30min, 12h, 7d.", valueName: "time"))
    var pruneOlderThan: TimeSpan?

    func validate(streams: Bool, hasTarget: Bool, toStdout: Bool) throws {
        if pruneOlderThan != nil && !prune { throw ValidationError("--prune-older-than goes with --prune") }
        if prune && !hasTarget && pruneOlderThan == nil {
            throw ValidationError("--prune needs to know what may go: give --target, --prune-older-than, or both")
        }
        if toStdout && (prune || archiveCommand != nil) {
            throw ValidationError("there are no segments to keep with --stdout")
        }
        if archiveCommand != nil && !streams {
            throw ValidationError("--archive-command is run while changes are received: add --start")
        }
        if archiveCommand?.isEmpty == true { throw ValidationError("--archive-command must not be empty") }
    }

    func keeperOptions(target: (string: ConnectionString, stream: String)?) -> SpoolKeeper.Options {
        var options = SpoolKeeper.Options()
        options.archive = archiveCommand.map { ArchiveCommand($0) }
        options.prunes = prune
        options.target = prune ? target : nil
        options.age = pruneOlderThan?.seconds
        return options
    }

    /// Prunes once, without any connection to the source.
    func pruneNow(_ dir: String, target: (string: ConnectionString, stream: String)?, logger: Logger) throws {
        let spool = SpoolDirectory(dir)
        guard try spool.identity() != nil else {
            throw SpoolError(.missing, "there is no spool here; name its folder with --dir", file: dir)
        }
        try SpoolKeeper(spool, keeperOptions(target: target), logger: logger).prune()
    }
}
