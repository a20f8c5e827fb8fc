import Batches

/// Batches without an end: batch n makes row n and takes the target to (n + 1) * 100.
final class EndlessBatches: ByteSource, @unchecked Sendable {
    private let stream: String
    private var number = 0
    private var bytes: ArraySlice<UInt8>

    init(_ stream: String) {
        self.stream = stream
        bytes = ArraySlice(BatchText(stream: stream).text.utf8)
    }

    /// The first batches, with an end behind them.
    static func text(_ stream: String, count: Int) -> String {
        var text = BatchText(stream: stream)
        for number in 1...count { add(number, to: &text) }
        text.end(count * 100 + 100)
        return text.text
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if bytes.isEmpty {
            number += 1
            var text = BatchText()
            Self.add(number, to: &text)
            bytes = ArraySlice(text.text.utf8)
        }
        let count = min(buffer.count, bytes.count)
        buffer.copyBytes(from: bytes.prefix(count))
        bytes.removeFirst(count)
        return count
    }

    private static func add(_ number: Int, to text: inout BatchText) {
        text.batch(
            number * 100, number * 100 + 100, "INSERT INTO \"public\".\"t\" (\"id\") VALUES (\(number)); -- rows:1")
    }
}
