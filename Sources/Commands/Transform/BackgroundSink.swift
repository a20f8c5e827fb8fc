import Batches
import LogRendering
import Threading

/// Writes batch text on a thread of its own, so that the next batch is rendered while the target works on the last.
final class BackgroundSink: TransformOutput {
    private let target: DescriptorSink
    private let pipe = BatchPipe(partBytes: 1 << 20, limitBytes: 16 << 20)
    private let worker: Worker

    init(_ target: DescriptorSink) throws {
        self.target = target
        let pipe = self.pipe
        let output = Output(target)
        worker = try Worker.launch(name: "writer") { output.write(from: pipe) }
    }

    /// True when everything that was flushed is written: the reader wants more.
    var isWaiting: Bool { pipe.isDrained }
    var nextLook: Deadline { .after(milliseconds: 2) }

    func write(_ bytes: UnsafeRawBufferPointer) throws { try pipe.write(bytes) }

    func flush() throws { try pipe.flush() }

    func inputIdle() {}

    /// Waits until everything is written.
    func finish() throws {
        try pipe.finish()
        worker.join()
        if let error = pipe.error { throw error }
    }

    /// Throws when nobody reads any more, or writing failed.
    func checkReader() throws {
        if let error = pipe.error { throw error }
        try target.checkReader()
    }

    /// The writing side: only its thread writes to the descriptor.
    private final class Output: @unchecked Sendable {
        private let target: DescriptorSink

        init(_ target: DescriptorSink) {
            self.target = target
        }

        func write(from pipe: BatchPipe) {
            while let part = pipe.next() {
                do {
                    try part.bytes.withUnsafeBytes { try target.write($0) }
                } catch {
                    return pipe.abandon(error)
                }
                pipe.recycle(part)
            }
        }
    }
}
