import Batches

/// An input as a source of batch text, a few bytes at a time so that lines are cut everywhere.
struct FuzzSource: ByteSource {
    private var rest: UnsafeRawBufferPointer

    init(bytes: UnsafeRawBufferPointer) {
        rest = bytes
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(rest.count, buffer.count, 61)
        guard count > 0 else { return 0 }
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        return count
    }
}
