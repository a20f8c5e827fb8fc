import ArgumentParser
import CommandSupport
import Logging
import Migration
import Threading

/// Gives up following.
struct CleanupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup", abstract: "Drop the slot and its publications, and remove the target's position.",
        discussion: """
            The copied data stays, and so does the log. What is not there any more is fine.

            EXAMPLES
              clone cleanup --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop'
            """)

    @OptionGroup
    var servers: CloneArguments

    func run() async throws {
        let logger = servers.log.logger("clone")
        let options = try servers.options()
        try await Program.run { _ in try CloneCleanup(options, logger: logger).run() }
        logger.info("nothing of the migration is left on the source, and no position on the target")
    }
}
