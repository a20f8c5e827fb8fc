import Postgres

/// One segment's file, to look at its header and footer or to read parts of it.
final class SegmentFile {
    let path: String
    let frames: FrameReader

    init(_ path: String) throws(SpoolError) {
        self.path = path
        frames = FrameReader(try ByteInput.openRegular(path))
    }

    /// The header record. Leaves the reader behind the first chunk.
    func header() throws(SpoolError) -> SegmentHeader {
        try frames.seek(to: 0)
        guard case .frame(let bytes, let offset) = try frames.next() else {
            throw SpoolError(.torn, "the segment ends before its header does", file: path, offset: 0)
        }
        var cursor = RecordCursor(Chunk(bytes: bytes, file: path, offset: offset))
        guard let record = try cursor.next(), record.kind == .header else {
            throw SpoolError(.corrupt, "the segment does not begin with its header", file: path, offset: 0)
        }
        return try SegmentHeader(payload: record.payload, file: path)
    }

    /// The footer, found from the end of the file.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when there is none or it is damaged.
    func footer() throws(SpoolError) -> SegmentFooter {
        let size = try FileSystem.size(path)
        let noFooter = SpoolError(
            .corrupt, "the sealed segment has no footer at its end; was it truncated?", file: path, offset: size)
        guard size > 20 else { throw noFooter }
        try frames.input.seek(to: size - 12)
        _ = try frames.input.fill()
        let tail = frames.input.available
        guard tail.count == 12, Array(tail.suffix(8)) == SegmentFooter.closingMagic else { throw noFooter }
        let length = UInt64(UInt32(littleEndian: tail.loadUnaligned(as: UInt32.self)))
        guard length + 20 <= size else { throw noFooter }
        try frames.seek(to: size - length - 20)
        guard case .skippable(let bytes, let offset) = try frames.next() else { throw noFooter }
        return try SegmentFooter(skippable: bytes, file: path, offset: offset)
    }
}
