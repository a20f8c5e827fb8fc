import Batches
import CLZ4
import Spool

/// The text of one file of batches, whether the file is compressed or not: LZ4 frames tell themselves by their first
/// bytes. It is decompressed as it is read, whatever the size of a frame.
public final class BatchFileSource: ByteSource {
    private let input: ByteInput
    private var isBegun = false
    private var isCompressed = false
    private var context: OpaquePointer?
    /// Bytes that the decompressor still wants for the present frame; 0 between frames.
    private var wanted = 0

    private static let frameMagic: UInt32 = 0x184D_2204

    /// Opens a file.
    ///
    /// - Throws: `SpoolError` when it cannot be read.
    public init(_ path: String) throws(SpoolError) {
        input = try ByteInput.openRegular(path)
    }

    deinit {
        LZ4F_freeDecompressionContext(context)
    }

    /// Reads the next text. See `ByteSource`.
    ///
    /// - Throws: `SpoolError`: `corrupt` for a damaged frame, `torn` when the file ends inside one.
    public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if !isBegun { try begin() }
        if isCompressed { return try decompress(into: buffer) }
        if input.available.isEmpty, try !input.fill() { return 0 }
        let count = min(buffer.count, input.available.count)
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: input.available[..<count]))
        input.consume(count)
        return count
    }

    private func begin() throws(SpoolError) {
        isBegun = true
        while input.available.count < 4 {
            guard try input.fill() else { return }
        }
        isCompressed =
            UInt32(littleEndian: input.available.loadUnaligned(as: UInt32.self)) == BatchFileSource.frameMagic
        guard isCompressed else { return }
        let result = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
        guard LZ4F_isError(result) == 0, context != nil else {
            throw SpoolError(.io(errno: 12), "LZ4 has no memory for a decompressor", file: input.name)
        }
    }

    private func decompress(into buffer: UnsafeMutableRawBufferPointer) throws(SpoolError) -> Int {
        while true {
            if input.available.isEmpty, try !input.fill() {
                guard wanted == 0 else {
                    throw SpoolError(
                        .torn, "the file ends in the middle of a frame; write or copy it again", file: input.name,
                        offset: input.position)
                }
                return 0
            }
            let offset = input.position
            var produced = buffer.count
            var consumed = input.available.count
            wanted = LZ4F_decompress(
                context, buffer.baseAddress, &produced, input.available.baseAddress, &consumed, nil)
            guard LZ4F_isError(wanted) == 0 else {
                let reason = String(cString: LZ4F_getErrorName(wanted))
                throw SpoolError(
                    .corrupt, "the compressed text is damaged (\(reason)); write or copy the file again",
                    file: input.name, offset: offset)
            }
            input.consume(consumed)
            if produced > 0 { return produced }
        }
    }

    /// True when an end line is the last before the checksum.
    static func hasEnd(_ path: String) throws -> Bool {
        let source = try BatchFileSource(path)
        var tail: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
            guard count > 0 else { break }
            // Two short lines.
            tail = Array((tail + part[..<count]).suffix(4_096))
        }
        let lines = tail.split(separator: 0x0A)
        return lines.suffix(2).contains { $0.starts(with: "-- walrelay end ".utf8) }
    }
}
