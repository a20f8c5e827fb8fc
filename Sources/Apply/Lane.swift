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
        /// The first lane has its BEGIN from the stream.
        case begin(batch: String, hasBegin: Bool)
        case part(EventPart)
        /// Waits until all is done and checked, these statements last.
        case settle([String])
        case commit
        case rollback
    }

    /// Another lane may be what a statement waits for, and wait for this lane in turn, which the server cannot see.
    private static let lockTimeout = "SET LOCAL lock_timeout = '500ms';"
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
    private var isSetUp = false
    private var counts = (rows: 0, bytes: 0)

    init(_ link: TargetLink, number: Int, options: ApplyOptions, logger: Logger) throws(ApplyError) {
        self.link = link
        self.options = options
        self.logger = logger
        worker = Worker.start(name: "lane \(number)") { [self] in run() }
        guard worker != nil else {
            throw ApplyError(.unsuitableSession, "cannot start a thread; check the limits on processes (ulimit -u)")
        }
    }

    /// Ends the thread.
    func end() {
        queue.close()
        worker?.join()
        worker = nil
    }

    /// A batch begins. The connection must be open.
    func begin(batch: String, hasBegin: Bool) { queue.push(.begin(batch: batch, hasBegin: hasBegin)) }

    /// Hands over events, waiting for room.
    func take(_ part: EventPart) {
        budget.take(part.byteCount)
        queue.push(.part(part))
    }

    /// Has the thread finish what it was given, then these statements; ``wait()`` answers.
    func settle(_ statements: [String]) { queue.push(.settle(statements)) }
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
            case .begin(let batch, let hasBegin): attempt { () throws(ApplyError) in try open(batch, hasBegin) }
            case .part(let part):
                attempt { () throws(ApplyError) in try perform(part) }
                budget.give(part.byteCount)
            case .settle(let statements):
                attempt { () throws(ApplyError) in try finish(statements) }
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

    private func open(_ batch: String, _ hasBegin: Bool) throws(ApplyError) {
        let transaction = try BatchTransaction(link, batch: batch, options: options, logger: logger)
        self.transaction = transaction
        isSetUp = false
        if !hasBegin { try perform(statement: "BEGIN;") }
    }

    private func perform(_ part: EventPart) throws(ApplyError) {
        try part.replay { event throws(ApplyError) in
            try transaction?.perform(event)
            if !isSetUp { try setUp() }
        }
    }

    private func perform(statement: String) throws(ApplyError) {
        try transaction?.append(statement)
        if !isSetUp { try setUp() }
    }

    /// Only after BEGIN.
    private func setUp() throws(ApplyError) {
        isSetUp = true
        try transaction?.append(Lane.lockTimeout)
    }

    private func finish(_ statements: [String]) throws(ApplyError) {
        guard let transaction else { return }
        // Nothing may be left that could make the commit fail: the other lanes are committed too.
        try transaction.append("SET CONSTRAINTS ALL IMMEDIATE;")
        for statement in statements { try transaction.append(statement) }
        try transaction.settle()
    }

    private func commitNow() throws(ApplyError) {
        guard let transaction else { return }
        try transaction.commit()
        counts = (transaction.rows, transaction.bytes)
        self.transaction = nil
    }
}
