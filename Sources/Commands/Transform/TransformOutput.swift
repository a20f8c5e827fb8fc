import BatchFiles
import Batches
import Threading

/// Where batches go: a pipe with someone waiting behind it, or files.
protocol TransformOutput: BatchSink {
    /// Someone waits for what is complete, so that a batch must not grow any more.
    var isWaiting: Bool { get }
    /// When to ask again whether someone waits.
    var nextLook: Deadline { get }
    /// No more input waits, and what is complete was written.
    func inputIdle() throws
    /// Throws when nobody reads any more.
    func checkReader() throws
    /// Everything is written: sees to it that it has arrived.
    func finish() throws
}

extension BatchFolder: TransformOutput {
    var isWaiting: Bool { isDue }
    var nextLook: Deadline { .after(milliseconds: 2_000) }

    func inputIdle() throws { try sealIfDue() }

    func checkReader() {}
}
