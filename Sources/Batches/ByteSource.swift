/// Where batch text is read from: a file, a pipe, or memory.
public protocol ByteSource {
    /// Reads at least one byte into `buffer`, waiting for it, and returns how many; 0 at the end of the input.
    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}
