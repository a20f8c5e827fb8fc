import ArgumentParser
import CommandSupport
import FoundationEssentials
import Logging
import Migration
import Observability
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
        // Names alone are enough where the journal is lost; a folder that is not there is a slip of the pen.
        guard servers.dir == "spool" || FileManager.default.fileExists(atPath: servers.dir) else {
            throw ProgramFailure(
                .inputOutput, "there is no folder \(servers.dir); name that of the migration with --dir")
        }
        try await Program.run { _ in try CloneCleanup(options, logger: logger).run() }
        logger.info("nothing of the migration is left on the source, and no position on the target")
    }
}
