import PgOutput

// Column values in the form in which pgoutput sends them (see `Tuple`).
extension TextBuffer {
    /// Appends a column as a tuple holds it.
    func append(column value: ColumnValue) {
        switch value {
        case .null: append(UInt8(ascii: "n"))
        case .unchanged: append(UInt8(ascii: "u"))
        case .text(let bytes): append(UInt8(ascii: "t"), lengthAndBytes: bytes)
        case .binary(let bytes): append(UInt8(ascii: "b"), lengthAndBytes: bytes)
        }
    }

    private func append(_ marker: UInt8, lengthAndBytes bytes: UnsafeRawBufferPointer) {
        append(marker)
        append(fixed: UInt32(truncatingIfNeeded: bytes.count).bigEndian)
        append(bytes)
    }

    /// Appends the bytes of an integer, as they lie in memory.
    @inline(__always)
    func append<Number: FixedWidthInteger>(fixed number: Number) {
        withUnsafeBytes(of: number) { append($0) }
    }
}
