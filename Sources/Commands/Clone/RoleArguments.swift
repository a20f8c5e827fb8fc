import ArgumentParser
import Migration

/// Whether the source's roles come along.
struct RoleArguments: ParsableArguments {
    @Flag(help: "Make the roles of the source that the target's server lacks; those that are there stay as they are.")
    var roles = false

    @Flag(help: "With --roles: without their passwords.")
    var noRolePasswords = false

    func validate() throws {
        if noRolePasswords && !roles { throw ValidationError("--no-role-passwords goes with --roles") }
    }

    /// Notes them in the options.
    func apply(to options: inout CloneOptions) {
        options.copiesRoles = roles
        options.copiesRolePasswords = !noRolePasswords
    }
}
