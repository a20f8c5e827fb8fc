/// One of the ways in which a spool becomes rows.
struct PropertyRendering: Sendable, CustomStringConvertible {
    let arguments: String
    let isPsql: Bool
    /// Applied in two runs, the second of which continues where the first ended.
    var isHalved = false
    /// Replay's connections.
    var lanes = 1

    var description: String {
        "transform \(arguments) | \(isPsql ? "psql" : lanes > 1 ? "replay on \(lanes)" : "replay")\(isHalved ? ", in two runs" : "")"
    }

    /// All of them: net and in order, batches of one transaction, of a few, of the usual size and of everything, and
    /// batches that are written while they are read.
    static let all: [PropertyRendering] = ["", "--ordered"].flatMap { order in
        ["--max-changes 1", "--max-changes 7", "", "--max-changes 1000000000 --max-bytes 1GB", "--max-bytes 2kB"]
            .flatMap { size in
                let arguments = [order, size].filter { !$0.isEmpty }.joined(separator: " ")
                let inLanes = [2, 5].map {
                    PropertyRendering(arguments: "--lanes \($0) \(size)", isPsql: false, lanes: $0)
                }
                return (order.isEmpty ? inLanes : []) + [
                    PropertyRendering(arguments: arguments + " --jobs 2", isPsql: false),
                    PropertyRendering(arguments: arguments, isPsql: false),
                    PropertyRendering(arguments: arguments, isPsql: true),
                    PropertyRendering(arguments: arguments, isPsql: false, isHalved: true),
                ]
            }
    }
}
