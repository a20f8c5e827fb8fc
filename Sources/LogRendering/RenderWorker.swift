import Batches
import Postgres
import Spool
import Threading

/// Renders pieces of a log on a thread of its own, one after the other.
final class RenderWorker: @unchecked Sendable {
    /// What it is given.
    enum Input: Sendable {
        /// A piece begins behind this position.
        case begin(from: LSN)
        /// Records of the piece.
        case records(ChunkBuffer, file: String, offset: UInt64)
        /// The piece ends with the last commit.
        case endOfPiece
        /// The log ends: the end line.
        case end(LSN, reason: String)
        /// No more comes.
        case finish
    }

    /// What it makes of it.
    enum Output: Sendable {
        case preamble(BatchPreamble)
        case text(Text)
        case completed(LSN)
        case endOfPiece
        case finished
        case failed(any Error)
    }

    /// Text; owned by one thread at a time.
    final class Text: @unchecked Sendable {
        fileprivate(set) var bytes: [UInt8] = []
    }

    private let input = BoundedQueue<Input>(capacity: 256)
    private let output = BoundedQueue<Output>(capacity: 1_024)
    /// The records that wait, and the text that waits: two pieces of each, so that nobody waits for the other.
    private let inputBudget: ByteBudget
    private let outputBudget: ByteBudget
    // What was used, for its memory: pages that were touched before cost nothing.
    private let spareBuffers = BoundedQueue<ChunkBuffer>(capacity: 16)
    private let spareTexts = BoundedQueue<Text>(capacity: 16)
    private let options: RenderOptions
    private var thread: Worker?
    /// What it rendered; to be read after ``join()``.
    private(set) var statistics = RenderStatistics()

    init(_ options: RenderOptions, pieceBytes: Int) throws {
        self.options = options
        inputBudget = ByteBudget(limit: 2 * pieceBytes)
        outputBudget = ByteBudget(limit: 3 * pieceBytes)
        thread = try Worker.launch(name: "rendering") { self.run() }
    }

    /// Gives it something. False when it has failed, or was closed.
    func push(_ item: Input) -> Bool {
        if case .records(let buffer, _, _) = item { inputBudget.take(buffer.count) }
        return input.push(item)
    }

    /// A copy of records to give to it.
    func buffer(of bytes: UnsafeRawBufferPointer) -> ChunkBuffer {
        let buffer = spareBuffers.popIfAny() ?? ChunkBuffer(capacity: bytes.count)
        buffer.append(bytes)
        return buffer
    }

    /// Takes the next of what it made, waiting for it; nil once it is closed.
    func pop() -> Output? { output.pop() }

    /// Gives back text that was used.
    func recycle(_ text: Text) {
        outputBudget.give(text.bytes.count)
        // The memory that one huge row took is given back.
        text.bytes.removeAll(keepingCapacity: text.bytes.capacity <= 4 * Sink.partBytes)
        spareTexts.pushIfRoom(text)
    }

    /// Ends it: what waits is dropped.
    func close() {
        input.close()
        inputBudget.close()
        output.close()
        outputBudget.close()
    }

    func join() { thread?.join() }

    private func run() {
        let sink = Sink(spareTexts) { [output, outputBudget] item in
            if case .text(let text) = item { outputBudget.take(text.bytes.count) }
            guard output.push(item) else { throw BatchPipe.Abandoned() }
        }
        let log = LogRenderer(options: options, sink: sink)
        defer { statistics = log.renderer.statistics }
        do {
            while let item = input.pop() {
                switch item {
                case .begin(let from): log.renderer.resume(at: from)
                case .records(let buffer, let file, let offset):
                    try log.consume(Chunk(bytes: buffer.bytes, file: file, offset: offset))
                    inputBudget.give(buffer.count)
                    buffer.removeAll()
                    spareBuffers.pushIfRoom(buffer)
                case .endOfPiece:
                    try log.renderer.closeRange()
                    try sink.hand(on: .endOfPiece)
                case .end(let position, let reason): try log.renderer.end(at: position, reason: reason)
                case .finish:
                    try log.renderer.inputIdle()
                    return try sink.hand(on: .finished)
                }
            }
        } catch is BatchPipe.Abandoned {
            // Nobody wants more.
        } catch {
            // What is complete is of use; the reason follows it.
            try? sink.hand(on: .failed(error))
        }
        input.close()
        inputBudget.close()
    }

    /// Collects text into parts, between which stands where batches end.
    private final class Sink: BatchSink {
        static let partBytes = 1 << 20

        private let push: (Output) throws -> Void
        private let spare: BoundedQueue<Text>
        private var text = Text()

        init(_ spare: BoundedQueue<Text>, _ push: @escaping (Output) throws -> Void) {
            self.spare = spare
            self.push = push
        }

        func begin(_ preamble: BatchPreamble) throws { try hand(on: .preamble(preamble)) }

        func write(_ bytes: UnsafeRawBufferPointer) throws {
            text.bytes.append(contentsOf: bytes)
            if text.bytes.count >= Sink.partBytes { try handText() }
        }

        func flush() {}

        func completed(to end: LSN) throws { try hand(on: .completed(end)) }

        func hand(on item: Output) throws {
            try handText()
            try push(item)
        }

        private func handText() throws {
            guard !text.bytes.isEmpty else { return }
            let part = text
            text = spare.popIfAny() ?? Text()
            try push(.text(part))
        }
    }
}
