import ArgumentParser
import Glibc
import Observability
import Selection
import Spool

/// The options that say which tables and operations are meant; the same in every program.
public struct SelectionOptions: ParsableArguments {
    /// Schemas to include.
    @Option(
        name: [.customShort("n"), .long],
        help: "Only tables in schemas that match this pattern (* and ? as in psql). Repeatable.")
    public var schema: [String] = []

    /// Schemas to exclude.
    @Option(
        name: [.customShort("N"), .long], help: "No tables in schemas that match this pattern. Repeatable.")
    public var excludeSchema: [String] = []

    /// Tables to include.
    @Option(
        name: [.customShort("t"), .long],
        help: "Only tables that match this pattern: table, or schema.table; quoted as in psql. Repeatable.")
    public var table: [String] = []

    /// Tables to exclude.
    @Option(name: [.customShort("T"), .long], help: "No tables that match this pattern. Repeatable.")
    public var excludeTable: [String] = []

    /// Columns to exclude.
    @Option(
        help: ArgumentHelp(
            "Leave out the columns that match this pattern, which must not be part of a key. Repeatable.",
            valueName: "schema.table.column"))
    public var excludeColumn: [String] = []

    /// Kinds of change to include.
    @Option(help: "Only these operations, separated by commas: insert, update, delete, truncate.")
    public var operation: String?

    /// A filter file.
    @Option(
        name: [.long, .customLong("filter")],
        help: ArgumentHelp("A filter file, as pgcopydb has them; the other options add to it.", valueName: "file"),
        completion: .file())
    public var filters: String?

    /// The parser needs it.
    public init() {}

    /// What was asked for.
    ///
    /// - Throws: `SelectionError` for what cannot be understood, ``ProgramFailure`` for a file that cannot be read.
    public func selection() throws -> Selection {
        var selection = Selection()
        if let filters {
            selection = try FilterFile.parse(try SelectionOptions.contents(filters), file: filters)
        }
        for text in schema { selection.includeSchemas.append(try NamePattern(text)) }
        for text in excludeSchema { selection.excludeSchemas.append(try NamePattern(text)) }
        for text in table { selection.includeTables.append(try TablePattern(text)) }
        for text in excludeTable { selection.excludeTables.append(try TablePattern(text)) }
        for text in excludeColumn { selection.excludeColumns.append(try ColumnPattern(text)) }
        if let operation { selection.operations = try Operations(operation) }
        return selection
    }

    /// Tells streams of batches apart that were made with other filter files; nil where the file alone does not say what
    /// is selected.
    ///
    /// - Throws: ``ProgramFailure`` for a file that cannot be read.
    public func filterFingerprint() throws -> String? {
        guard let filters, operation == nil,
            [schema, excludeSchema, table, excludeTable, excludeColumn].allSatisfy(\.isEmpty)
        else { return nil }
        return Self.fingerprint(try Self.contents(filters))
    }

    /// The fingerprint of a filter file's contents.
    public static func fingerprint(_ contents: [UInt8]) -> String {
        contents.withUnsafeBytes { String(XXH64.hash($0), radix: 16) }
    }

    private static let maximumFileSize = 16 << 20

    /// The bytes of a filter file.
    ///
    /// - Throws: ``ProgramFailure`` when it cannot be read.
    public static func contents(_ path: String) throws -> [UInt8] {
        func failure() -> ProgramFailure {
            ProgramFailure(.inputOutput, "the filter file \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure() }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = read(descriptor, &part, part.count)
            if count == 0 { return bytes }
            guard count > 0 || errno == EINTR else { throw failure() }
            if count > 0 { bytes += part[..<count] }
            guard bytes.count <= maximumFileSize else {
                throw ProgramFailure(.usage, "the filter file \(path) has more than 16 MiB")
            }
        }
    }
}

extension Selection {
    /// A sentence for each `--exclude-column` that has left out nothing: if it is misspelt, the values are there.
    public var unmetColumnWarnings: [String] {
        unmetColumns.map { pattern in
            "--exclude-column \(pattern) matched no column of the tables that were met, so it left out nothing; if it is "
                + "misspelt, what it was to hide is in the output"
        }
    }
}
