import Glibc

/// Cuts a byte source into lines, without copying them one by one.
struct LineScanner {
    private var source: any ByteSource
    private let buffer: ScanBuffer
    private var start = 0
    private var end = 0
    private var isAtEnd = false
    private let maxLineBytes: Int
    /// Lines taken so far.
    private(set) var lineNumber = 0

    init(_ source: any ByteSource, capacity: Int, maxLineBytes: Int) {
        self.source = source
        self.maxLineBytes = maxLineBytes
        buffer = ScanBuffer(capacity: max(16, capacity))
    }

    /// The next line without its newline; nil at the end of the input.
    ///
    /// - Throws: ``BatchError`` with `truncated` when the input ends inside a line; the source's errors.
    mutating func next() throws -> UnsafeRawBufferPointer? {
        var scanned = start
        while true {
            if let newline = memchr(buffer.base + scanned, 0x0A, end - scanned) {
                let length = UnsafeRawPointer(newline) - UnsafeRawPointer(buffer.base + start)
                let line = UnsafeRawBufferPointer(start: buffer.base + start, count: length)
                start += length + 1
                lineNumber += 1
                return line
            }
            let length = end - start
            guard try fill() else {
                if length == 0 { return nil }
                throw BatchError(
                    .truncated, "the input ends inside a line; write or copy it again", line: lineNumber + 1)
            }
            scanned = start + length
        }
    }

    /// As many whole lines as are there, at least one, newlines included, up to the line `\.`; empty when that line is
    /// next, which it then steps over.
    mutating func copyLines() throws -> UnsafeRawBufferPointer {
        var searched = 0
        while true {
            let window = UnsafeRawBufferPointer(start: buffer.base + start, count: end - start)
            if window.count >= 3, window[0] == 0x5C, window[1] == 0x2E, window[2] == 0x0A {
                start += 3
                lineNumber += 1
                return UnsafeRawBufferPointer(start: nil, count: 0)
            }
            let length = LineScanner.dataLength(window, searched: searched)
            if length > 0 {
                let lines = UnsafeRawBufferPointer(start: buffer.base + start, count: length)
                start += length
                return lines
            }
            searched = window.count
            guard try fill() else {
                throw BatchError(
                    .truncated, "the input ends inside COPY data; write or copy it again", line: lineNumber + 1)
            }
        }
    }

    /// The length of the whole lines in front of the end mark, in bytes. Every backslash of a value is doubled or
    /// begins an escape, so a line `\.` can only be the end mark. The first `searched` bytes hold no newline.
    private static func dataLength(_ window: UnsafeRawBufferPointer, searched: Int) -> Int {
        guard let base = window.baseAddress else { return 0 }
        var length = 0
        var from = searched
        while let newline = memchr(base + from, 0x0A, window.count - from) {
            let next = UnsafeRawPointer(newline) - base + 1
            if next - length == 3, window[length] == 0x5C, window[length + 1] == 0x2E { break }
            length = next
            from = next
        }
        return length
    }

    /// Reads more behind what is there. False at the end of the input.
    private mutating func fill() throws -> Bool {
        if isAtEnd { return false }
        if start > 0 {
            memmove(buffer.base, buffer.base + start, end - start)
            end -= start
            start = 0
        }
        if end == buffer.capacity {
            guard buffer.capacity < maxLineBytes else {
                throw BatchError(
                    .malformedBatches, "a line is longer than \(maxLineBytes) bytes; this is not batch text",
                    line: lineNumber + 1)
            }
            // What is no text may go on for ever, as /dev/zero does. A line that is complete is looked at when it is read.
            guard memchr(buffer.base, 0, end) == nil else {
                throw BatchError(
                    .malformedBatches, "there is a zero byte; this is not batch text", line: lineNumber + 1)
            }
            buffer.grow(keeping: end)
        }
        let room = UnsafeMutableRawBufferPointer(start: buffer.base + end, count: buffer.capacity - end)
        let count = try source.read(into: room)
        end += count
        isAtEnd = count == 0
        return count > 0
    }
}

/// The memory of a ``LineScanner``.
private final class ScanBuffer {
    private(set) var base: UnsafeMutableRawPointer
    private(set) var capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        base.deallocate()
    }

    func grow(keeping count: Int) {
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
        memcpy(larger, base, count)
        base.deallocate()
        base = larger
        capacity *= 2
    }
}
