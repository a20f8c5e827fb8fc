import ArgumentParser
import Glibc
import Observability

/// Who may read the spool beside its owner.
public struct SpoolAccess: ParsableArguments {
    /// The group.
    @Option(
        help: ArgumentHelp(
            "Let this group read the spool, too. Without it a spool is for its owner alone, whatever the umask.",
            valueName: "group"))
    public var spoolGroup: String?

    /// The parser needs it.
    public init() {}

    /// Takes the group over, also for the programs that this one starts.
    public func validate() throws {
        guard let spoolGroup else { return }
        guard FileAccess.share(with: spoolGroup) else { throw ValidationError("there is no group \"\(spoolGroup)\"") }
        setenv(FileAccess.variable, spoolGroup, 1)
    }
}
