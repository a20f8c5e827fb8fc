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
            "Remove segments that the position on --target is past, that are older than --prune-older-than, and without which "
                + "--prune-over is left, as far as these are given, and that are archived if this spool ever was; then exit, "
                + "unless --start is given too."
        ))
    var prune = false

    @Option(help: ArgumentHelp("Age below which --prune keeps a segment: 90s, 30min, 12h, 7d.", valueName: "time"))
    var pruneOlderThan: TimeSpan?

    @Option(help: ArgumentHelp("Size of the log that --prune keeps: 500MB, 20GB.", valueName: "size"))
    var pruneOver: ByteCount?

    @Flag(
        help: ArgumentHelp(
            "With --prune: when free disk space falls below twice --min-free, remove what the target has (--target, "
                + "or WALRELAY_TARGET), oldest first, whatever the other options keep. Without them, remove nothing else."
        ))
    var pruneWhenShort = false

    func validate(streams: Bool, hasTarget: Bool, toStdout: Bool) throws {
        if pruneOlderThan != nil && !prune { throw ValidationError("--prune-older-than goes with --prune") }
        if pruneOver != nil && !prune { throw ValidationError("--prune-over goes with --prune") }
        if pruneWhenShort && !prune { throw ValidationError("--prune-when-short goes with --prune") }
        if prune && !hasTarget && !pruneWhenShort && pruneOlderThan == nil && pruneOver == nil {
            throw ValidationError(
                "--prune needs to know what may go: give --target, --prune-older-than, --prune-over, or several of them"
            )
        }
        if toStdout && (prune || archiveCommand != nil) {
            throw ValidationError("there are no segments to keep with --stdout")
        }
        if archiveCommand != nil && !streams {
            throw ValidationError("--archive-command is run while changes are received: add --start")
        }
        if archiveCommand?.isEmpty == true { throw ValidationError("--archive-command must not be empty") }
    }

    func keeperOptions(
        target: (string: ConnectionString, stream: String)?, minFree: ByteCount
    ) -> SpoolKeeper.Options {
        var options = SpoolKeeper.Options()
        options.archive = archiveCommand.map { ArchiveCommand($0) }
        options.prunes = prune
        options.target = prune ? target : nil
        options.age = pruneOlderThan?.seconds
        options.size = pruneOver?.bytes
        options.shortage = pruneWhenShort ? min(minFree.bytes, .max / 2) * 2 : nil
        return options
    }

    /// Prunes once, without any connection to the source.
    func pruneNow(
        _ dir: String, target: (string: ConnectionString, stream: String)?, minFree: ByteCount, logger: Logger
    ) throws {
        let spool = SpoolDirectory(dir)
        guard try spool.identity() != nil else {
            throw SpoolError(.missing, "there is no spool here; name its folder with --dir", file: dir)
        }
        let keeper = SpoolKeeper(spool, keeperOptions(target: target, minFree: minFree), logger: logger)
        try keeper.prune()
        try keeper.relieve()
    }
}
