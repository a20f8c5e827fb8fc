import Batches
import Postgres
import TestSupport

/// Text in which something happens on the target at certain places, before what follows them is read.
final class InterruptedText: ByteSource, @unchecked Sendable {
    private var parts: ArraySlice<ArraySlice<UInt8>>
    private let interrupt: () throws -> Void

    /// Text that ends replay's session with the target wherever `mark` stands; the mark is not read.
    init(_ text: String, mark: String, _ target: Target) throws {
        parts = text.split(separator: mark, omittingEmptySubsequences: false).map { ArraySlice($0.utf8) }[...]
        let string = try ConnectionString(target.cluster.connectionString(database: target.database))
        interrupt = {
            let connection = try Connection(string, applicationName: "interrupt")
            try connection.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'walrelay replay'
                """, doing: "ending the session")
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while let first = parts.first, first.isEmpty {
            parts.removeFirst()
            if !parts.isEmpty { try interrupt() }
        }
        guard var part = parts.popFirst() else { return 0 }
        let count = min(buffer.count, part.count)
        buffer.copyBytes(from: part.prefix(count))
        part.removeFirst(count)
        parts = [part] + parts
        return count
    }
}
