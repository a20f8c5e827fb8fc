import ArgumentParser
import Migration

/// What pg_restore is to leave out, as it names it.
struct RestoreArguments: ParsableArguments {
    @Flag(help: "Do not set the owners of objects.")
    var noOwner = false

    @Flag(help: "Do not restore privileges (GRANT and REVOKE).")
    var noACL = false

    @Flag(help: "Do not restore comments.")
    var noComments = false

    @Flag(help: "Do not restore tablespaces.")
    var noTablespaces = false

    @Flag(help: "Leave out what roles own or were granted that the target does not have.")
    var skipMissingRoles = false

    @Option(
        help: ArgumentHelp(
            "With --follow: when foreign keys, triggers and rules come to the target: with the copy, for which its role must "
                + "be allowed to switch them off, or late, in the switchover. (default: copy if it may, else late)",
            valueName: "copy|late"))
    var triggers: CloneOptions.TriggerTime?

    @Flag(
        help: "Copy into a database that has contents, of which none has the name of what is copied.")
    var intoExisting = false

    /// Notes all in the options.
    func apply(to options: inout CloneOptions) {
        options.restoreOptions = self.options
        options.skipsMissingRoles = skipMissingRoles
        options.triggers = triggers
        options.intoExisting = intoExisting
    }

    /// As options of pg_restore.
    var options: [String] {
        [
            (noOwner, "--no-owner"), (noACL, "--no-acl"), (noComments, "--no-comments"),
            (noTablespaces, "--no-tablespaces"),
        ].filter(\.0).map(\.1)
    }
}

extension CloneOptions.TriggerTime: ExpressibleByArgument {}
