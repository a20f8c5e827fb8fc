import PgOutput
import Postgres
import Spool
import Threading

/// The chunk that a capture fills for the disk, and what goes there with it.
struct OpenChunk {
    /// What is filled; nil while the disk holds all buffers.
    private(set) var buffer: ChunkBuffer?
    /// The end of the last commit or watermark in it.
    private var position: LSN?
    /// When its first commit came.
    private var since = Deadline.never
    /// Nil without a spool.
    private var names: RelationNames?

    /// - Parameter names: those that the spool has of tables.
    init(names: RelationNames?) {
        self.names = names
    }

    /// It is there, and something is in it.
    var isBegun: Bool { buffer.map { $0.count > 0 } ?? false }

    /// Takes a buffer that is free, if there is one, unless it has one.
    mutating func take(_ free: () throws -> ChunkBuffer?) rethrows -> ChunkBuffer? {
        if buffer == nil { buffer = try free() }
        return buffer
    }

    /// A commit or watermark is in it, which ends here.
    mutating func reached(_ position: LSN, _ now: Deadline) {
        self.position = position
        if since == .never { since = now }
    }

    /// When it has waited long enough for company.
    var dueAt: Deadline { position == nil ? .never : since + CaptureOptions.chunkDelay }

    /// Takes note of a table's names. Returns those that it had, if it has others now.
    mutating func note(_ relation: Relation) -> NamedRelation? { names?.note(relation) }

    /// Hands it to the disk, if something is in it.
    mutating func submit(to writer: LogWriter) {
        guard let full = buffer, full.count > 0 else { return }
        buffer = nil
        writer.submit(full, position: position, names: names?.takeUnwritten())
        position = nil
        since = .never
    }

    /// Hands it to the disk as it is: it holds a compressed chunk.
    mutating func submit(frame summary: ChunkSummary, to writer: LogWriter) {
        guard let full = buffer else { return }
        buffer = nil
        writer.submit(frame: full, summary)
    }
}
