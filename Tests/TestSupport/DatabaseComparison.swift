/// Compares two databases row by row, by nothing but psql and the tools of the shell.
///
///     let differences = try await DatabaseComparison.differences(source: (a, "shop"), target: (b, "shop"))
///     #expect(differences == [])
///
/// Compared are all ordinary tables outside system schemas, so also the leaves of partitioned tables, each as the
/// multiset of its rows in COPY's text form (which keeps NULL and empty text apart). Rows go through files and
/// external sorting, so that tables of millions of rows are fine. Each side is read in one snapshot.
public enum DatabaseComparison {
    /// All differences, none when the databases hold the same.
    ///
    /// - Parameters:
    ///   - ignoringTables: tables to leave out, as `schema.table` without any quotes.
    ///   - comparingTypes: whether columns of equal names must have equal types.
    ///   - includingSequences: whether sequences must exist on both sides with equal `last_value` and `is_called`.
    ///   - timeout: for reading each side.
    public static func differences(
        source: (Cluster, String),
        target: (Cluster, String),
        ignoringTables: Set<String> = [],
        comparingTypes: Bool = true,
        includingSequences: Bool = false,
        timeout: Duration = .seconds(600)
    ) async throws -> [String] {
        var counts = RowCounts()
        return try await differences(
            source: source, target: target, ignoringTables: ignoringTables, comparingTypes: comparingTypes,
            includingSequences: includingSequences, timeout: timeout, counts: &counts)
    }

    /// How many rows differ.
    public struct RowCounts: Sendable {
        /// Rows that the source has and the target has not, or not as often: lost.
        public var onlyInSource = 0
        /// Rows that the target has and the source has not, or not as often: doubled, or not deleted.
        public var onlyInTarget = 0

        /// No row yet.
        public init() {}
    }

    /// The same, which also adds up the rows that differ.
    public static func differences(
        source: (Cluster, String),
        target: (Cluster, String),
        ignoringTables: Set<String> = [],
        comparingTypes: Bool = true,
        includingSequences: Bool = false,
        timeout: Duration = .seconds(600),
        counts: inout RowCounts
    ) async throws -> [String] {
        let sides = [
            ComparedSide(name: "source", cluster: source.0, database: source.1, timeout: timeout),
            ComparedSide(name: "target", cluster: target.0, database: target.1, timeout: timeout),
        ]
        let tables = try await both(sides) { try await $0.tables().filter { !ignoringTables.contains($0.key) } }
        var differences = missing(tables[0].keys, tables[1].keys, "table")

        var common: [(table: ComparedTable, name: String)] = []
        for name in tables[0].keys.sorted() {
            guard let left = tables[0][name], let right = tables[1][name] else { continue }
            let columns = columnDifferences(left, right, comparingTypes)
            differences += columns.map { "\(name): \($0)" }
            if columns.isEmpty { common.append((left, name)) }
        }
        differences += try await rowDifferences(common, sides, timeout, &counts)
        if includingSequences { differences += try await sequenceDifferences(sides) }
        return differences
    }

    /// Does the same on both sides at once.
    private static func both<Value: Sendable>(
        _ sides: [ComparedSide], _ body: @escaping @Sendable (ComparedSide) async throws -> Value
    ) async throws -> [Value] {
        async let left = body(sides[0])
        async let right = body(sides[1])
        return try await [left, right]
    }

    private static func missing(
        _ source: some Collection<String>, _ target: some Collection<String>, _ kind: String
    ) -> [String] {
        let source = Set(source)
        let target = Set(target)
        return source.subtracting(target).sorted().map { "\($0): \(kind) only in the source" }
            + target.subtracting(source).sorted().map { "\($0): \(kind) only in the target" }
    }

    private static func columnDifferences(
        _ source: ComparedTable, _ target: ComparedTable, _ comparingTypes: Bool
    ) -> [String] {
        let differences = missing(source.columns.keys, target.columns.keys, "column")
        guard comparingTypes else { return differences }
        return differences
            + source.columns.sorted { $0.key < $1.key }.compactMap { name, type in
                guard let other = target.columns[name], other != type else { return nil }
                return "\(name): \(type) in the source, \(other) in the target"
            }
    }

    private static func rowDifferences(
        _ tables: [(table: ComparedTable, name: String)], _ sides: [ComparedSide], _ timeout: Duration,
        _ counts: inout RowCounts
    ) async throws -> [String] {
        guard !tables.isEmpty else { return [] }
        let folder = try TemporaryFolder("comparison")
        let selects = tables.map(\.table.select)
        _ = try await both(sides) { try await $0.write(selects, to: folder) }

        // A missing file, say because sort had no space, must not pass as an empty table.
        let unequal = try await Program.shell(
            """
            cd '\(folder.path)' || exit
            for number in $(seq 0 \(tables.count - 1)); do
                wc -l "source.$number" "target.$number" >/dev/null || exit
                cmp -s "source.$number" "target.$number" || echo "$number"
            done
            """,
            timeout: timeout
        ).checked("cmp")

        var differences: [String] = []
        for number in unequal.outputLines.compactMap({ Int($0) }) {
            for side in ["source", "target"] {
                guard let rows = try await rows(onlyIn: side, number, folder, timeout) else { continue }
                if side == "source" { counts.onlyInSource += rows.count } else { counts.onlyInTarget += rows.count }
                differences.append("\(tables[number].name): \(rows.words)")
            }
        }
        return differences
    }

    /// How many rows of a table one side has more of, and which; `comm` counts duplicates.
    private static func rows(
        onlyIn side: String, _ number: Int, _ folder: TemporaryFolder, _ timeout: Duration
    ) async throws -> (count: Int, words: String)? {
        let finished = try await Program.shell(
            """
            cd '\(folder.path)' || exit
            comm \(side == "source" ? "-23" : "-13") source.\(number) target.\(number) >rows || exit
            wc -l <rows
            head -n 5 rows | cut -b 1-300
            """,
            environment: ["LC_ALL": "C"],
            timeout: timeout
        ).checked("comm")
        let lines = finished.outputLines
        guard let count = lines.first.flatMap({ Int($0) }), count > 0 else { return nil }
        let shown = lines.dropFirst().map { "[\($0)]" }.joined(separator: ", ")
        let words = "\(count) \(count == 1 ? "row" : "rows") only in the \(side): \(shown)\(count > 5 ? ", …" : "")"
        return (count, words)
    }

    private static func sequenceDifferences(_ sides: [ComparedSide]) async throws -> [String] {
        let sequences = try await both(sides) { try await $0.sequences() }
        return missing(sequences[0].keys, sequences[1].keys, "sequence")
            + sequences[0].sorted { $0.key < $1.key }.compactMap { name, state in
                guard let other = sequences[1][name], other != state else { return nil }
                return "\(name): \(state) in the source, \(other) in the target"
            }
    }
}
