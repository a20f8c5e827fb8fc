import ArgumentParser

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

    /// As options of pg_restore.
    var options: [String] {
        [
            (noOwner, "--no-owner"), (noACL, "--no-acl"), (noComments, "--no-comments"),
            (noTablespaces, "--no-tablespaces"),
        ].filter(\.0).map(\.1)
    }
}
