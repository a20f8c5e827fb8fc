import Audit
import Batches
import CommandSupport
import Observability
import Postgres
import Spool

/// The stretch of the log that is asked for. Times are looked for in the log: what batches go by is positions.
struct TransformRange {
    let from: LogRange.Bound?
    let to: LogRange.Bound?

    /// Puts the range's positions into the options.
    ///
    /// - Throws: a usage error for a time when the input is no spool; `SpoolError`.
    func resolve(_ paths: [String], _ options: inout RenderOptions) throws {
        switch from {
        // A target without progress says 0/0: from the beginning.
        case .position(.zero), nil: break
        case .position(let position): options.from = position
        case .time(let time):
            let spool = try spool(paths)
            options.from =
                if let place = try LogPlace.find(.time(time), in: spool.path) { place.previous } else {
                    try spool.end()
                }
        }
        switch to {
        case nil: break
        case .position(let position): options.to = position
        case .time(let time):
            let spool = try spool(paths)
            let last = try LogPlace.last(notAfter: time, in: spool)
            // Nothing was committed by then: the beginning is also the end.
            options.to = try last?.end ?? options.from ?? spool.segments().first?.start
        }
    }

    private func spool(_ paths: [String]) throws -> SpoolDirectory {
        guard paths.count == 1, paths[0] != "-", try PathKind(paths[0]) == .folder else {
            throw ProgramFailure(
                .usage, "a time can be looked for in one spool's folder only; give --from and --to as positions")
        }
        return SpoolDirectory(paths[0])
    }
}
