import CLZ4

/// Makes one complete LZ4 frame of a run of bytes, with content size and content checksum.
package struct FrameCompressor {
    // Without memory until the first frame: even an allocation of no bytes has to be given back.
    private var output = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    package init() {}

    /// The frame. Valid until the next call.
    package mutating func frame(of input: UnsafeRawBufferPointer) throws(SpoolError) -> UnsafeRawBufferPointer {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
        preferences.frameInfo.contentSize = UInt64(input.count)
        preferences.frameInfo.blockMode = LZ4F_blockLinked
        // Small chunks must not cost a reader the memory of large blocks.
        preferences.frameInfo.blockSizeID =
            input.count <= 65_536 ? LZ4F_max64KB : (input.count <= 262_144 ? LZ4F_max256KB : LZ4F_max1MB)
        let bound = LZ4F_compressFrameBound(input.count, &preferences)
        if output.count < bound {
            output.deallocate()
            output = .allocate(byteCount: bound, alignment: 16)
        }
        let size = LZ4F_compressFrame(output.baseAddress, output.count, input.baseAddress, input.count, &preferences)
        guard LZ4F_isError(size) == 0 else {
            throw SpoolError(.corrupt, "LZ4 cannot compress a chunk: \(String(cString: LZ4F_getErrorName(size)))")
        }
        return UnsafeRawBufferPointer(start: output.baseAddress, count: size)
    }

    /// Gives the buffer back.
    package mutating func deallocate() {
        output.deallocate()
        output = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }
}
