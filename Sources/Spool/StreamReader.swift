import Glibc
import Postgres
import Threading

/// Reads segments from a pipe or from files given by name: frames, or the bare records that `lz4 -dc` makes of them.
public final class StreamReader: ChunkSource {
    private let frames: FrameReader
    private var isFinished = false

    /// Reads from a descriptor that stays the caller's, such as standard input.
    public init(descriptor: Int32, name: String) {
        frames = FrameReader(ByteInput(descriptor: descriptor, name: name, closesDescriptor: false))
    }

    /// Reads a file.
    public init(path: String) throws(SpoolError) {
        frames = FrameReader(try ByteInput.open(path))
    }

    /// The next chunk; `idle` when reading on would block between frames.
    public func next() throws(SpoolError) -> ChunkStep {
        while !isFinished {
            guard frames.isInsideFrame || frames.input.isReady else { return .idle }
            switch try frames.next() {
            case .frame(let bytes, let offset):
                return .chunk(Chunk(bytes: bytes, file: frames.input.name, offset: offset))
            case .skippable:
                continue
            case .boundary:
                isFinished = true
            case .unfinished(let offset):
                throw SpoolError(
                    .torn, "the input ends in the middle of a chunk", file: frames.input.name, offset: offset)
            }
        }
        return .finished
    }

    /// Where the log in a file ends; nil for what can be read only once, and for a file without segments.
    public static func end(of path: String) throws(SpoolError) -> LSN? {
        guard FileSystem.isRegular(path) else { return nil }
        let reader = try StreamReader(path: path)
        var indexer: SegmentIndexer?
        while case .chunk(let chunk) = try reader.next() {
            var cursor = RecordCursor(chunk)
            while let record = try cursor.next() {
                if record.kind == .header { indexer = SegmentIndexer(start: record.lsn) }
                try indexer?.consume(record, file: chunk.file)
            }
        }
        return indexer?.footer.end
    }

    /// Waits for the descriptor.
    public func wait(_ stop: StopRequest, until deadline: Deadline) {
        _ = Polling.wait(frames.input.pollDescriptor, stop.descriptor, until: deadline)
    }
}
