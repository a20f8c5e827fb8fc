import ArgumentParser
import CommandSupport
import Migration

/// What becomes of the log, and of the space that it takes.
struct LogArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "With --follow: how much of the log to keep that the target has: a size (20GB), an age (7d), 'all', or "
                + "'until-short', which removes the oldest when the disk has less than twice --min-free. A size and an age do "
                + "that too. (default: until-short, or what an earlier run was told)", valueName: "how-much"))
    var keepLog: KeepLog?

    @Option(
        help: ArgumentHelp(
            "With --follow: free disk space below which nothing is received; the source keeps its WAL then.",
            valueName: "size"))
    var minFree = ByteCount(bytes: 64 << 20)

    func apply(to options: inout CloneOptions) {
        options.keepLog = keepLog
        options.minFree = minFree.bytes
    }
}

extension KeepLog: ExpressibleByArgument {
    /// Reads `all`, `until-short`, a size or an age.
    public init?(argument: String) {
        switch argument {
        case "all": self = .all
        case "until-short": self = .untilShort
        default:
            // A number alone could be either.
            if Int(argument) != nil { return nil }
            if let size = ByteCount(argument: argument) {
                self = .bytes(size.bytes)
            } else if let age = TimeSpan(argument: argument) {
                self = .seconds(age.seconds)
            } else {
                return nil
            }
        }
    }
}
