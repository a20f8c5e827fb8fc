import ArgumentParser
import CommandSupport
import Migration
import Selection

/// What of the source is moved.
struct FilterArguments: ParsableArguments {
    @Option(
        name: [.long, .customLong("filter")],
        help: ArgumentHelp(
            "A filter file, as pgcopydb has them: what to include and exclude of schemas, tables, rows, indexes and "
                + "extensions. A migration keeps those that it began with.", valueName: "file"), completion: .file())
    var filters: String?

    @Flag(help: "Do not make extensions on the target.")
    var skipExtensions = false

    /// Notes them in the options.
    ///
    /// - Throws: `SelectionError` for a file that cannot be understood, `ProgramFailure` for one that cannot be read.
    func apply(to options: inout CloneOptions) throws {
        options.skipsExtensions = skipExtensions
        guard let filters else { return }
        let contents = try SelectionOptions.contents(filters)
        guard try FilterFile.parse(contents, file: filters).starts.isEmpty else {
            throw ValidationError("[start-after] is for the files that clone writes itself")
        }
        options.filters = String(decoding: contents, as: UTF8.self)
    }
}
