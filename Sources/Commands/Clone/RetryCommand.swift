import Copying
import ArgumentParser
import CommandSupport
import Migration
import Supervision

/// Tries again what the target refused.
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Have the clone that follows apply again what was refused.",
        discussion: """
            When the target refuses a change, clone --follow continues to receive, and tries to apply again once a minute. This \
            has it try at once. clone status says what was refused, and where the report about it is.

            EXIT CODES
              0 it tries again, or nothing was refused; 16 no clone works with the folder; 18 there is no journal in it
            """)

    @Option(help: ArgumentHelp("The spool's folder.", valueName: "folder"), completion: .directory)
    var dir = "spool"

    func run() async throws {
        switch try RetryRequest.send(dir) {
        case .asked(let blocked):
            Output.line("clone tries again (\(blocked.words) at \(blocked.since)); see clone status")
        case .notBlocked: Output.line("nothing is blocked")
        }
    }
}
