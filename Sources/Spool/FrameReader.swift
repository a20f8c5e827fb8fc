import CLZ4
import Glibc

/// Reads a sequence of LZ4 frames, or bare records, from a file or a pipe, one frame at a time.
///
/// Memory follows what really arrives: a frame header that claims a huge content reserves nothing.
final class FrameReader {
    /// What was read.
    enum Step {
        /// The contents of one LZ4 frame, valid until the next call.
        case frame(UnsafeRawBufferPointer, offset: UInt64)
        /// A skippable frame's contents: a segment's footer.
        case skippable([UInt8], offset: UInt64)
        /// Nothing more has arrived, and nothing was read of the next frame.
        case boundary
        /// Nothing more has arrived, in the middle of a frame that begins at `offset`.
        case unfinished(offset: UInt64)
    }

    static let maximumContent = Record.maximumLength + (2 << 20)
    /// In bytes: what a record has at most that is not a change, and where the last record of a chunk begins at the latest.
    static let maximumOther = 32 << 20
    static let maximumFooter = 64 << 20

    private enum State {
        case boundary
        case compressed(offset: UInt64)
        case bareRecords
    }

    let input: ByteInput
    private var state = State.boundary
    private var context: OpaquePointer?
    private var content = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    private var contentCount = 0
    /// Where the first record of the content begins that was not yet looked at.
    private var unchecked = 0
    private var isFirst = true

    init(_ input: ByteInput) {
        self.input = input
    }

    deinit {
        LZ4F_freeDecompressionContext(context)
        content.deallocate()
    }

    /// True when a frame's beginning was read but not its end.
    var isInsideFrame: Bool {
        if case .compressed = state { return true }
        return false
    }

    /// Starts over at the offset of a frame.
    func seek(to offset: UInt64) throws(SpoolError) {
        try input.seek(to: offset)
        state = .boundary
        // Before the first frame there is no context yet, and liblz4 does not take a null one.
        if context != nil { LZ4F_resetDecompressionContext(context) }
    }

    /// The next frame. Blocks on a pipe; at the end of a file, says how far it came and can be called again.
    func next() throws(SpoolError) -> Step {
        switch state {
        case .boundary: return try begin()
        case .compressed(let offset): return try decompress(from: offset)
        case .bareRecords: return try bareRecords()
        }
    }

    private func begin() throws(SpoolError) -> Step {
        while input.available.count < 4 {
            guard try input.fill() else {
                return input.available.isEmpty ? .boundary : .unfinished(offset: input.position)
            }
        }
        let magic = UInt32(littleEndian: input.available.loadUnaligned(as: UInt32.self))
        let offset = input.position
        if magic == 0x184D_2204 {
            isFirst = false
            contentCount = 0
            unchecked = 0
            state = .compressed(offset: offset)
            return try decompress(from: offset)
        }
        if magic == SegmentFooter.frameMagic { return try skippable(offset: offset) }
        if isFirst && (UInt32(Record.headerSize - 4)...UInt32(1 << 20)).contains(magic) {
            // What `lz4 -dc` makes of a segment: the length of a header record comes first.
            isFirst = false
            state = .bareRecords
            return try bareRecords()
        }
        throw SpoolError(
            .corrupt, isFirst ? "this is not a walrelay segment: no LZ4 frame begins here" : "no LZ4 frame begins here",
            file: input.name, offset: offset)
    }

    private func skippable(offset: UInt64) throws(SpoolError) -> Step {
        while input.available.count < 8 {
            guard try input.fill() else { return .unfinished(offset: offset) }
        }
        let size = Int(UInt32(littleEndian: input.available.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        guard size <= FrameReader.maximumFooter else {
            throw SpoolError(.corrupt, "a skippable frame claims \(size) bytes", file: input.name, offset: offset)
        }
        var bytes: [UInt8] = []
        input.consume(8)
        while bytes.count < size {
            if input.available.isEmpty, try !input.fill() {
                // Only a file can still grow; begin again at the frame's start then.
                try? input.seek(to: offset)
                return .unfinished(offset: offset)
            }
            let part = min(size - bytes.count, input.available.count)
            bytes.append(contentsOf: input.available.prefix(part))
            input.consume(part)
        }
        isFirst = false
        return .skippable(bytes, offset: offset)
    }

    private func decompress(from offset: UInt64) throws(SpoolError) -> Step {
        if context == nil {
            let result = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
            guard LZ4F_isError(result) == 0, context != nil else {
                throw SpoolError(.io(errno: ENOMEM), "LZ4 has no memory for a decompressor")
            }
        }
        while true {
            if input.available.isEmpty, try !input.fill() { return .unfinished(offset: offset) }
            try makeRoom(offset: offset)
            var produced = content.count - contentCount
            var consumed = input.available.count
            let target = UnsafeMutableRawBufferPointer(rebasing: content[contentCount...])
            let hint = LZ4F_decompress(
                context, target.baseAddress, &produced, input.available.baseAddress, &consumed, nil)
            guard LZ4F_isError(hint) == 0 else {
                LZ4F_resetDecompressionContext(context)
                let reason = String(cString: LZ4F_getErrorName(hint))
                throw SpoolError(
                    .corrupt, "the LZ4 frame that begins here is damaged (\(reason))", file: input.name, offset: offset)
            }
            input.consume(consumed)
            contentCount += produced
            if hint == 0 {
                state = .boundary
                return .frame(UnsafeRawBufferPointer(rebasing: content[..<contentCount]), offset: offset)
            }
        }
    }

    private func makeRoom(offset: UInt64) throws(SpoolError) {
        guard content.count - contentCount < 64 << 10 else { return }
        guard content.count < FrameReader.maximumContent else {
            throw SpoolError(
                .corrupt, "the frame that begins here holds more than 1 GiB", file: input.name, offset: offset)
        }
        try checkRecords(offset: offset)
        grow(to: content.count * 2)
    }

    /// A small file can hold a frame of endless nonsense. What is not the beginning of a chunk is refused before more memory
    /// is taken for it: only one change, the last record, may be large.
    private func checkRecords(offset: UInt64) throws(SpoolError) {
        while unchecked + Record.headerSize <= contentCount {
            let length = Int(
                UInt32(littleEndian: content.loadUnaligned(fromByteOffset: unchecked, as: UInt32.self)))
            let kind = RecordKind(rawValue: content[unchecked + 4])
            guard let kind, length >= Record.headerSize - 4, length <= Record.maximumLength,
                kind == .change || length <= FrameReader.maximumOther, unchecked <= FrameReader.maximumOther
            else {
                throw SpoolError(
                    .corrupt, "the frame that begins here does not hold a chunk of records", file: input.name,
                    offset: offset)
            }
            unchecked += 4 + length
        }
    }

    private func grow(to capacity: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        if let from = content.baseAddress, let to = larger.baseAddress { memcpy(to, from, contentCount) }
        content.deallocate()
        content = larger
    }

    /// Uncompressed input: as many whole records as have arrived.
    private func bareRecords() throws(SpoolError) -> Step {
        let offset = input.position
        contentCount = 0
        while contentCount == 0 || missing > 0 {
            if input.available.isEmpty, try !input.fill() {
                return contentCount == 0 ? .boundary : .unfinished(offset: offset)
            }
            try moveInput(offset: offset)
        }
        return .frame(UnsafeRawBufferPointer(rebasing: content[..<contentCount]), offset: offset)
    }

    /// How many bytes the content still lacks to end at a record's end; 0 when it does.
    private var missing: Int {
        var offset = 0
        while offset < contentCount {
            guard contentCount - offset >= 4 else { return 4 - (contentCount - offset) }
            let length = UInt32(littleEndian: content.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            let end = offset + 4 + Int(length)
            if end > contentCount { return end - contentCount }
            offset = end
        }
        return 0
    }

    private func moveInput(offset: UInt64) throws(SpoolError) {
        let wanted = contentCount == 0 ? input.available.count : min(missing, input.available.count)
        if contentCount + wanted > content.count {
            guard contentCount + wanted <= FrameReader.maximumContent, missing <= Record.maximumLength else {
                throw SpoolError(.corrupt, "a record of more than 1 GiB", file: input.name, offset: offset)
            }
            grow(to: max(content.count * 2, contentCount + wanted))
        }
        if let from = input.available.baseAddress, let to = content.baseAddress {
            memcpy(to + contentCount, from, wanted)
        }
        contentCount += wanted
        input.consume(wanted)
    }
}
