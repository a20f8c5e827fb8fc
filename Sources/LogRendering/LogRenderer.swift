import Batches
import PgOutput
import Postgres
import Spool

/// Turns the log's records into batches: feeds a ``BatchRenderer`` with chunks.
public final class LogRenderer {
    /// What writes the batches.
    public let renderer: BatchRenderer

    /// The last record was an end mark: where the log ends, and why. An end counts only while nothing follows it,
    /// because the log may have been resumed.
    public private(set) var endMark: (lsn: LSN, reason: String)?

    /// A renderer that writes to `sink`.
    public init(options: RenderOptions, sink: any BatchSink) {
        renderer = BatchRenderer(options: options, sink: sink)
    }

    /// Takes a chunk's records.
    ///
    /// - Throws: `SpoolError` for records that cannot be read, `BatchError`, the sink's errors.
    public func consume(_ chunk: Chunk) throws {
        var cursor = RecordCursor(chunk)
        while let record = try cursor.next() {
            endMark = nil
            switch record.kind {
            case .change:
                try renderer.consume(record.payload)
            case .header:
                try renderer.start(StreamIdentity(SegmentHeader(payload: record.payload, file: chunk.file)))
            case .relation:
                renderer.relationFacts(
                    try JSON.decode(record.payload, what: "a relation record", file: chunk.file))
            case .watermark:
                renderer.watermark(record.lsn)
            case .end:
                let mark: EndMark = try JSON.decode(record.payload, what: "the end record", file: chunk.file)
                endMark = (record.lsn, mark.reason)
                renderer.watermark(record.lsn)
            }
        }
    }
}

extension StreamIdentity {
    /// What a segment's header says of its source.
    public init(_ header: SegmentHeader) {
        self.init(
            systemIdentifier: header.systemIdentifier, timeline: header.timeline, history: header.history ?? [],
            logID: header.logID, database: header.database, slot: header.slot, encoding: header.encoding,
            serverVersion: header.serverVersion, start: header.start)
    }
}
