import ArgumentParser
import Capture
import CommandSupport
import Logging
import Migration
import Observability
import Postgres
import Threading

@main
enum Main {
    static func main() async {
        await Program.main(CloneCommand.self)
    }
}

struct CloneCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clone",
        abstract: "Follow a source database: create the slot, run receive, transform and replay, clean up.",
        discussion: """
            The target must hold a copy of the data as of the slot's creation; clone does not copy yet. At --endpos the \
            slot on the source and the origin on the target are dropped. Run the same command again after any \
            interruption: it goes on where the target is.

            EXAMPLES
              clone --follow --source 'host=db1 dbname=shop' --target 'host=db2 dbname=shop' --publication relay
              clone --follow --source … --target … --endpos current

            EXIT CODES
              0 done; otherwise the code of the stage that failed (see docs/exit-codes.md)
            """,
        version: Program.tool
    )

    @Option(help: ArgumentHelp("The source server, as libpq takes it.", valueName: "conninfo"))
    var source: String?

    @Option(help: ArgumentHelp("The target server, as libpq takes it.", valueName: "conninfo"))
    var target: String?

    @Flag(help: "Follow the source's changes (required: nothing else is there yet).")
    var follow = false

    @Option(help: ArgumentHelp("The spool's folder.", valueName: "folder"))
    var dir = "spool"

    @Option(help: ArgumentHelp("The logical replication slot.", valueName: "name"))
    var slotName = "walrelay"

    @Option(help: ArgumentHelp("A publication to decode; repeatable. (default: walrelay)", valueName: "name"))
    var publication: [String] = []

    @Option(help: ArgumentHelp("The replication origin on the target.", valueName: "name"))
    var origin = "walrelay"

    @Option(help: ArgumentHelp("End once everything up to this LSN is replayed; or 'current'.", valueName: "lsn"))
    var endpos: EndPosition = .none

    @OptionGroup(title: "Logging")
    var log: LogOptions

    func validate() throws {
        guard follow else { throw ValidationError("say --follow; copying the data is not part of clone yet") }
    }

    func run() async throws {
        let logger = log.logger("clone")
        var options = FollowPipeline.Options(
            source: try ConnectionArgument.resolve(source, option: "--source", variable: "WALRELAY_SOURCE"),
            target: try ConnectionArgument.resolve(target, option: "--target", variable: "WALRELAY_TARGET"),
            spool: dir, slot: slotName, publications: publication.isEmpty ? ["walrelay"] : publication, origin: origin)
        switch endpos {
        case .none, .idle: break
        case .at(let position): options.end = position.description
        case .current: options.end = "current"
        }
        let pipeline = try FollowPipeline(options, logger: logger)
        try check(try await pipeline.createSlot())
        let wasStopped = try await Program.runAsync { stop in
            try check(try await pipeline.follow(stop))
            return stop.isRequested
        }
        guard endpos != .none, !wasStopped else {
            logger.info("stopped; slot \"\(slotName)\" keeps its place on the source, and WAL with it")
            return
        }
        try check(try await pipeline.dropSlot())
        try await pipeline.dropOrigin()
        logger.info("the end position is replayed; the slot and the origin are dropped")
    }

    private func check(_ outcome: FollowPipeline.Outcome) throws {
        guard let failed = outcome.failed else { return }
        throw ProgramFailure(
            ExitStatus(rawValue: failed.code) ?? .failure,
            "\(failed.stage) ended with code \(failed.code); its message is above. Run the same command again to go on")
    }
}
