import Apply
import Batches
import Logging
import Postgres
import TestSupport
import Testing
import Threading

/// A target database with a position of its own, and the applier on it.
struct Target: Sendable {
    let cluster: Cluster
    let database: String
    /// The name of its position.
    let stream = "relay"

    /// Runs `body` with a new database, which goes afterwards.
    static func run(_ schema: String, cluster: Cluster? = nil, _ body: (Target) async throws -> Void) async throws {
        let server: Cluster
        if let cluster { server = cluster } else { server = try await .shared(.target) }
        let target = Target(cluster: server, database: try await server.createDatabase(prefix: "apply"))
        do {
            try await target.sql(schema)
            try await body(target)
        } catch {
            try? await target.remove()
            throw error
        }
        try await target.remove()
    }

    private func remove() async throws {
        try await cluster.dropDatabase(database)
    }

    @discardableResult
    func sql(_ statements: String) async throws -> String { try await cluster.sql(statements, database: database) }

    /// What an application of batches came to.
    struct Applied: Sendable {
        var outcome: ApplyOutcome?
        var error: ApplyError?
        var statistics: ApplyStatistics
    }

    /// Applies text.
    ///
    /// - Parameters:
    ///   - stopping: asks to stop when the input comes to this text.
    ///   - options: how; the position is the one that the text names.
    ///   - other: read in place of `text`.
    func apply(
        _ text: String, stopping: String? = nil, options: ApplyOptions = ApplyOptions(),
        from other: (any ByteSource & Sendable)? = nil
    ) async throws -> Applied {
        let string = try ConnectionString(cluster.connectionString(database: database))
        return try await Worker.run(name: "apply") {
            let stop = StopRequest()
            let source = StoppingSource(text, at: stopping, stop: stop)
            let applier = BatchApplier(target: string, options: options, stop: stop, logger: Target.silent)
            var reader = BatchReader(source: other ?? source, bufferBytes: 4096)
            do {
                let outcome = try applier.run(reader: &reader)
                return Applied(outcome: outcome, error: nil, statistics: applier.statistics)
            } catch let error as ApplyError {
                return Applied(outcome: nil, error: error, statistics: applier.statistics)
            }
        }
    }

    /// The target's position, read by other means; nil before any progress.
    func position() async throws -> LSN? {
        let table = try await sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'walrelay'")
        guard table == "1" else { return nil }
        return LSN(
            try await sql("SELECT position FROM walrelay.progress WHERE stream = '\(stream)' AND lane = 0"))
    }

    private static let silent = Logger(label: "apply") { _ in SwiftLogNoOpLogHandler() }
}

/// Bytes from memory; asks to stop once it comes to a certain text, which is the last that it gives out.
private final class StoppingSource: ByteSource, @unchecked Sendable {
    private var bytes: ArraySlice<UInt8>
    private var rest: ArraySlice<UInt8>
    private let stop: StopRequest

    init(_ text: String, at place: String?, stop: StopRequest) {
        let cut = place.flatMap { text.firstRange(of: $0)?.lowerBound } ?? text.endIndex
        bytes = ArraySlice(text[..<cut].utf8)
        rest = ArraySlice(text[cut...].utf8)
        self.stop = stop
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if bytes.isEmpty, !rest.isEmpty {
            stop.request()
            (bytes, rest) = (rest, [])
        }
        let count = min(buffer.count, bytes.count)
        buffer.copyBytes(from: bytes.prefix(count))
        bytes.removeFirst(count)
        return count
    }
}
