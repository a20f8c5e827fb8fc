import ArgumentParser
import CommandSupport
import PgOutput
import Postgres
import Spool
import Threading

struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show the transactions of a spool, of segments, or of standard input.",
        discussion: """
            Row values are shown: this is the data itself. A change of a table is shown with its columns; (unchanged) \
            stands for a value stored out of line that the update did not touch.
            """
    )

    @Argument(help: "A spool's folder, segment files, or - for standard input (frames, or what lz4 -dc makes of them).")
    var paths: [String]

    @Flag(help: "One JSON object a message.")
    var json = false

    func run() async throws {
        let paths = self.paths
        let json = self.json
        try await Program.run { stop in
            var printer = MessagePrinter(json: json)
            for path in paths {
                let source = try InspectInput.source(path)
                reading: while !stop.isRequested {
                    switch try source.next() {
                    case .chunk(let chunk):
                        var cursor = RecordCursor(chunk)
                        while let record = try cursor.next() { try printer.show(record, file: chunk.file) }
                        printer.flush()
                    case .idle:
                        source.wait(stop, until: .never)
                    case .finished:
                        break reading
                    }
                }
            }
        }
    }
}
