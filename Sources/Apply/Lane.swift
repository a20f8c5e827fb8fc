import Batches
import Logging
import Postgres
import Threading

/// One of several connections that apply a batch together, and the thread that it lives on.
///
/// The thread is told what to do in order; what it did is answered where the caller waits for it. Between batches, when
/// nothing is under way, other threads may use the connection.
final class Lane: @unchecked Sendable {
    private enum Work {
        /// Opens a transaction; the statement is about the position.
        case begin(batch: String, position: String?)
        case part(EventPart)
        /// Waits until all is done and checked, the last statement after it has moved the position.
        case settle(move: String?, check: String)
        case commit
        case rollback
    }

    /// Another lane may be what a statement waits for, and wait for this lane in turn, which the server cannot see.
    private static let lockTimeout = "SET LOCAL lock_timeout = '500ms'"
    private static let queuedBytesMax = 16 << 20

    let link: TargetLink
    private let options: ApplyOptions
    private let logger: Logger
    private let queue = BoundedQueue<Work>(capacity: 4096)
    private let answers = BoundedQueue<Result<Void, ApplyError>>(capacity: 4)
    private let budget = ByteBudget(limit: Lane.queuedBytesMax)
    private var worker: Worker?
    // What follows is the thread's own while something is under way.
    private var transaction: BatchTransaction?
    private var failure: ApplyError?
    private var counts = (rows: 0, bytes: 0)

    init(_ link: TargetLink, number: Int, options: ApplyOptions, logger: Logger) throws(ApplyError) {
        self.link = link
        self.options = options
        self.logger = logger
        do throws(ThreadError) {
            worker = try Worker.launch(name: "lane \(number)") { [self] in run() }
        } catch {
            throw ApplyError(.unsuitableSession, error.description)
        }
    }

    /// Ends the thread.
    func end() {
        queue.close()
        worker?.join()
        worker = nil
    }

    /// A batch begins, with a statement about the position if there is one. The connection must be open.
    func begin(batch: String, position: String?) { queue.push(.begin(batch: batch, position: position)) }

    /// Hands over events, waiting for room.
    func take(_ part: EventPart) {
        budget.take(part.byteCount)
        queue.push(.part(part))
    }

    /// Has the thread finish what it was given, then move the position if it is not moved yet; ``wait()`` answers.
    func settle(move: String?, check: String) { queue.push(.settle(move: move, check: check)) }
    /// Has the thread commit; ``wait()`` answers.
    func commit() { queue.push(.commit) }
    /// Has the thread undo what it did; ``wait()`` answers.
    func rollback() { queue.push(.rollback) }

    /// Waits for the answer.
    func wait() -> ApplyError? {
        guard case .failure(let error) = answers.pop() else { return nil }
        return error
    }

    /// What the last committed batch did.
    var lastCounts: (rows: Int, bytes: Int) { counts }

    private func run() {
        while let work = queue.pop() {
            switch work {
            case .begin(let batch, let position): attempt { () throws(ApplyError) in try open(batch, position) }
            case .part(let part):
                attempt { () throws(ApplyError) in try perform(part) }
                budget.give(part.byteCount)
            case .settle(let move, let check):
                attempt { () throws(ApplyError) in try finish(move, check) }
                answer()
            case .commit:
                attempt { () throws(ApplyError) in try commitNow() }
                answer()
            case .rollback:
                transaction?.rollback()
                transaction = nil
                failure = nil
                answer()
            }
        }
    }

    private func answer() {
        if let failure { answers.push(.failure(failure)) } else { answers.push(.success(())) }
    }

    private func attempt(_ step: () throws(ApplyError) -> Void) {
        guard failure == nil else { return }
        do throws(ApplyError) { try step() } catch { failure = error }
    }

    private func open(_ batch: String, _ position: String?) throws(ApplyError) {
        let transaction = try BatchTransaction(link, batch: batch, options: options, logger: logger)
        self.transaction = transaction
        try transaction.append("BEGIN")
        try transaction.append(Lane.lockTimeout)
        if let position { try transaction.append(position, .move) }
    }

    private func perform(_ part: EventPart) throws(ApplyError) {
        try part.replay { event throws(ApplyError) in try transaction?.perform(event) }
    }

    private func finish(_ move: String?, _ check: String) throws(ApplyError) {
        guard let transaction else { return }
        // Nothing may be left that could make the commit fail: the other lanes are committed too.
        try transaction.append("SET CONSTRAINTS ALL IMMEDIATE")
        if let move { try transaction.append(move, .move) }
        try transaction.append(check, .check)
        try transaction.settle()
    }

    private func commitNow() throws(ApplyError) {
        guard let transaction else { return }
        try transaction.commit()
        counts = (transaction.rows, transaction.bytes)
        self.transaction = nil
    }
}
