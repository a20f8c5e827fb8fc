import ArgumentParser
import CommandSupport

/// The end of a migration: everything of the source is on the target.
struct SwitchoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchover", abstract: "Bring the target to where the source is, with sequences and all.",
        discussion: """
            Waits until the target is nearly there, while clone --follow continues; where none runs, this follows by itself. \
            Then takes the source's present position, waits until everything up to it is applied and proves it, and sets the \
            sequences. Stop the application before, or have --fence keep it from writing. Until the last step a failure, a \
            signal or a kill undoes the fence, and clone --follow continues; it ends when the switchover is made. Materialized \
            views are refreshed before and after that. The slot and the target's position stay until clone cleanup.

            EXAMPLES
              clone switchover --dry-run
              clone switchover --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
              clone switchover --fence --max-lag 5s && clone cleanup
              clone switchover --fence --keep-way-back   # later: clone switchback --fence

            EXIT CODES
              0 done; 1 --compare found differences; 14 stopped; 16 someone still writes to the source; 19 the target was \
            still too far behind; 21 definitions changed, or the rest takes too long; otherwise that of what failed
            """)

    @Flag(
        help: ArgumentHelp(
            "Let the migration go on in the other direction, so that clone switchback can return. The target needs what a "
                + "source needs, and the source what a target needs; see clone check --keep-way-back."))
    var keepWayBack = false

    @OptionGroup
    var arguments: SwitchoverArguments

    func run() async throws {
        try await arguments.run(isBack: false, keepsWayBack: keepWayBack)
    }
}

/// The way back.
struct SwitchbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchback", abstract: "Let applications return to where they were before the switchover.",
        discussion: """
            After clone switchover --keep-way-back, what applications write to the new server is applied on the old one. This is \
            the same switchover with the sides exchanged; --source and --target are named as before. Afterwards the \
            migration goes on in the first direction, so that clone switchover can be made again.

            EXAMPLES
              clone switchback --dry-run
              clone switchback --fence

            EXIT CODES
              those of clone switchover
            """)

    @Flag(help: "Do not go on in the other direction afterwards: what is written after that stays on one side.")
    var last = false

    @OptionGroup
    var arguments: SwitchoverArguments

    func run() async throws {
        try await arguments.run(isBack: true, keepsWayBack: !last)
    }
}
