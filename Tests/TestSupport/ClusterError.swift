/// Why a server could not be made, started or stopped, or never came to the awaited state.
public enum ClusterError: Error, Sendable {
    /// There are no PostgreSQL server programs.
    case noInstallation(String)
    /// A step of the server's life failed; with the end of the log of the server.
    case failed(cluster: String, step: String, reason: String, log: String)
    /// psql failed; the statements and its standard error.
    case sql(String, stderr: String)
    /// A query did not give the expected value in time.
    case notReached(query: String, expected: String, last: String, within: Duration)
}

extension ClusterError: CustomStringConvertible {
    /// What happened and what there is to see about it.
    public var description: String {
        switch self {
        case .noInstallation(let reason):
            "no PostgreSQL server found: \(reason); install postgresql or set PG_BINDIR"
        case .failed(let cluster, let step, let reason, let log):
            "server \(cluster): cannot \(step): \(reason)\nend of its log:\n\(log)"
        case .sql(let statements, let stderr):
            "\(stderr)\nin: \(statements.prefix(500))"
        case .notReached(let query, let expected, let last, let limit):
            "\(query)\nexpected within \(limit): \(expected)\nlast seen: \(last)"
        }
    }
}
