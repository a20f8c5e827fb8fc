import Postgres

/// Reads a collected transaction back, a chunk at a time: as it is, or record by record.
public final class TransactionReader {
    private let frames: FrameReader
    private var chunk = CollectedChunk()
    private var runs: IndexingIterator<[CollectedChunk.Run]>
    private var run = CollectedChunk.Run(xid: 0, records: 0)
    private var cursor: RecordCursor?
    private var missing: Int

    /// Chunks with fewer bytes of records are better joined with others.
    static let smallChunk = 128 << 10

    /// A reader of a file in which so many records were written.
    init(_ input: ByteInput, records: Int) {
        missing = records
        frames = FrameReader(input)
        runs = chunk.runs.makeIterator()
    }

    /// Goes to the next chunk; nil after the last. What is left of the one before must have been taken.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when the file is not what was written.
    public func next() throws(SpoolError) -> ChunkSummary? {
        cursor = nil
        switch try frames.next() {
        case .boundary:
            // A file that was cut between two chunks looks whole.
            guard missing == 0 else { throw corrupt("\(missing) records are missing", frames.input.position) }
            return nil
        case .skippable(let bytes, let offset):
            guard let next = bytes.withUnsafeBytes({ CollectedChunk($0) }) else {
                throw corrupt("what is said of a chunk is damaged", offset)
            }
            chunk = next
            missing -= next.summary.records
            runs = next.runs.makeIterator()
            run = CollectedChunk.Run(xid: 0, records: 0)
            return next.summary
        case .frame(_, let offset), .unfinished(let offset):
            throw corrupt("a chunk stands where what is said of it should", offset)
        }
    }

    /// True when the chunk can join the log as it is: large enough, all of it wanted and nothing in it to be moved.
    public func isWhole(without aborted: Set<UInt32>) -> Bool {
        guard !chunk.hasLayouts, chunk.summary.rawBytes >= TransactionReader.smallChunk else { return false }
        return aborted.isEmpty || chunk.runs.allSatisfy { !aborted.contains($0.xid) }
    }

    /// Takes the chunk's frame as it is.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when it is not what was written.
    public func takeFrame(into buffer: ChunkBuffer) throws(SpoolError) {
        let offset = frames.input.position
        buffer.removeAll()
        while buffer.count < chunk.frameSize {
            if frames.input.available.isEmpty, try !frames.input.fill() { throw corrupt("a chunk is missing", offset) }
            let count = min(chunk.frameSize - buffer.count, frames.input.available.count)
            buffer.append(UnsafeRawBufferPointer(rebasing: frames.input.available[..<count]))
            frames.input.consume(count)
        }
        // It was never read since, and is about to be acknowledged: a reader of the log would notice too late.
        guard XXH64.hash(buffer.bytes) == chunk.frameChecksum else { throw corrupt("a chunk is damaged", offset) }
    }

    /// The chunk's next record without those of `aborted`; nil after the last. Valid until the next call.
    public func record(without aborted: Set<UInt32>) throws(SpoolError) -> Record? {
        if cursor == nil {
            guard case .frame(let bytes, let offset) = try frames.next() else {
                throw corrupt("a chunk is missing", frames.input.position)
            }
            cursor = RecordCursor(Chunk(bytes: bytes, file: frames.input.name, offset: offset))
        }
        while let record = try cursor?.next() {
            while run.records == 0 {
                guard let next = runs.next() else { throw corrupt("a chunk has too many records", 0) }
                run = next
            }
            run.records -= 1
            if !aborted.contains(run.xid) { return record }
        }
        guard run.records == 0, runs.next() == nil else {
            throw corrupt("records are missing", frames.input.position)
        }
        return nil
    }

    private func corrupt(_ what: String, _ offset: UInt64) -> SpoolError {
        SpoolError(
            .corrupt, "\(what) in a transaction that was collected; run the same command again: it is sent again",
            file: frames.input.name, offset: offset)
    }
}
