import Capture
import Catalog
import Copying
import Observability
import Postgres
import Synchronization
import Threading

/// Compares the rows of both sides, table by table, by checksums that the servers compute.
public struct DataComparison: Sendable {
    /// What was found about one table.
    public struct Result: Encodable, Sendable {
        /// How the two sides stand.
        public enum State: String, Encodable, Sendable {
            /// The same rows.
            case equal
            /// Other rows.
            case differs
            /// Other rows, and the source changed in the meantime: no statement can be made.
            case changing
            /// The target has no such table, or not its columns.
            case missing
        }

        /// Schema and name, as SQL writes them; or `large objects`, whose rows are objects.
        public var table: String
        /// How the two sides stand.
        public var state: State
        /// Rows on the source.
        public var sourceRows: Int
        /// Rows on the target.
        public var targetRows: Int
        /// The first rows that differ, by key; each begins with what is wrong about it.
        public var rows: [String] = []

        /// It is about the large objects.
        public var isLargeObjects: Bool { table == LargeObjectComparison.label }
    }

    /// How often a table is looked at while changes are being followed.
    static let attempts = 3
    /// So many rows are named.
    static let namedMax = 10

    package let options: ComparisonOptions

    /// A comparison of the servers in the options, which also name the target's position.
    package init(_ options: ComparisonOptions) {
        self.options = options
    }

    /// Compares all tables, and the large objects, which are the last of the results.
    ///
    /// - Parameters:
    ///   - isFollowed: changes are being applied: a table that differs is looked at again when the target has caught up.
    ///   - report: called for each table, in the order in which they are done.
    /// - Throws: `PostgresError`; ``ProgramFailure`` when it is stopped.
    public func run(
        isFollowed: Bool, stop: StopRequest, report: @escaping @Sendable (Result) -> Void
    ) throws -> [Result] {
        let source = try Connection(options.servers.source, applicationName: DatabaseSession.applicationName)
        let tables = try SourceSnapshot.tables(on: source, options.selection)
        let results = Mutex<[Result]>([])
        let kept = Kept(results)
        try Parallel.run(tables, threads: options.jobs, name: "compare", stop: stop) {
            let pair = try ComparedPair(options.servers, stream: options.stream)
            return { table in
                let result = try pair.compare(table, isFollowed: isFollowed, stop)
                kept.results.withLock { $0.append(result) }
                report(result)
            }
        }
        var all = kept.results.withLock { $0 }.sorted { $0.table < $1.table }
        if let objects = try largeObjects(source, stop) {
            report(objects)
            all.append(objects)
        }
        return all
    }

    /// What was found about the large objects; nil when they are not moved, or there are none.
    private func largeObjects(_ source: Connection, _ stop: StopRequest) throws -> Result? {
        guard !options.skipsLargeObjects else { return nil }
        let sum = Mutex(Result(table: LargeObjectComparison.label, state: .equal, sourceRows: 0, targetRows: 0))
        let kept = KeptSum(sum)
        let batches = try LargeObjectComparison.batches(on: source)
        try Parallel.run(batches, threads: options.jobs, name: "compare", stop: stop) {
            let comparison = try LargeObjectComparison(
                source: DatabaseSession.connect(options.servers.source, encoding: "UTF8"),
                target: DatabaseSession.connect(options.servers.target, encoding: "UTF8"))
            return { batch in
                let found = try comparison.compare(batch, namedMax: DataComparison.namedMax)
                kept.sum.withLock { sum in
                    sum.sourceRows += found.sourceObjects
                    sum.targetRows += found.targetObjects
                    if !found.differing.isEmpty { sum.state = .differs }
                    sum.rows += found.differing.prefix(DataComparison.namedMax - sum.rows.count)
                }
            }
        }
        let result = kept.sum.withLock { $0 }
        return result.sourceRows + result.targetRows == 0 ? nil : result
    }

    private final class KeptSum: Sendable {
        let sum: Mutex<Result>

        init(_ sum: consuming sending Mutex<Result>) {
            self.sum = sum
        }
    }

    private final class Kept: Sendable {
        let results: Mutex<[Result]>

        init(_ results: consuming sending Mutex<[Result]>) {
            self.results = results
        }
    }
}
