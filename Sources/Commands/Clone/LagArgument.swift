import ArgumentParser
import CommandSupport
import Migration

/// A lag on the command line: bytes as PostgreSQL's settings take them (`16MB`), or seconds (`5s`, `500ms`).
struct LagArgument: ExpressibleByArgument, Sendable {
    let limit: Lag.Limit

    init?(argument: String) {
        for (unit, factor) in [("ms", 0.001), ("s", 1.0), ("min", 60.0)] where argument.hasSuffix(unit) {
            guard let number = UInt32(argument.dropLast(unit.count)) else { continue }
            limit = .seconds(Double(number) * factor)
            return
        }
        guard let count = ByteCount(argument: argument) else { return nil }
        limit = .bytes(count.bytes)
    }
}
