import ArgumentParser
import Audit
import CommandSupport
import Observability
import PgOutput
import Postgres
import Spool

struct LocateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "locate",
        abstract: "Find the transaction at a position or a time, and the segment that holds it.",
        discussion: """
            Finds the first transaction, in the order of commits, that ends at or after the position, or committed at \
            or after the time. `from` is the position before it, for --from of show, cat and transform.

            EXAMPLES
              inspect locate spool 0/1A2B3C
              inspect locate spool '2026-01-31 12:00:00+01'

            EXIT CODES
              0 found, 1 the log has no such transaction; otherwise as for all programs (see docs/exit-codes.md)
            """
    )

    @Argument(help: "A spool's folder, or a segment file.")
    var path: String

    @Argument(help: "Positions (0/1A2B3C) or times ('2026-01-31 12:00', UTC unless it has a zone).")
    var places: [LogRange.Bound]

    @Flag(help: "One JSON object a line.")
    var json = false

    func run() async throws {
        let (path, places, json) = (self.path, self.places, self.json)
        let missing = try await Program.run { _ -> Int in
            var missing = 0
            for bound in places {
                guard let place = try LogPlace.find(bound, in: path) else {
                    missing += 1
                    continue
                }
                json ? LocateCommand.printJSON(bound, place) : LocateCommand.printText(bound, place)
            }
            return missing
        }
        guard missing == 0 else {
            throw ProgramFailure(
                .failure, "the log has no transaction at or after \(missing) of the \(places.count) places")
        }
    }

    private static func text(_ bound: LogRange.Bound) -> String {
        switch bound {
        case .position(let lsn): lsn.description
        case .time(let time): time.description
        }
    }

    private static func printText(_ bound: LogRange.Bound, _ place: LogPlace) {
        Output.line(
            "\(text(bound)): from \(place.previous), transaction \(place.begin.finalLSN)–\(place.end) "
                + "xid=\(place.begin.xid) committed \(place.begin.commitTime), "
                + "in \(place.file) at offset \(place.offset)")
    }

    private static func printJSON(_ bound: LogRange.Bound, _ place: LogPlace) {
        Output.line(
            "{\"place\":\"\(text(bound))\",\"from\":\"\(place.previous)\",\"transaction\":\"\(place.begin.finalLSN)\","
                + "\"end\":\"\(place.end)\",\"xid\":\(place.begin.xid),\"time\":\"\(place.begin.commitTime)\","
                + "\"segment\":\(JSONText.string(place.file)),\"offset\":\(place.offset)}")
    }
}
