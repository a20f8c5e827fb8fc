import PgOutput
import Postgres
import Selection

/// Turns the pgoutput messages of committed transactions into SQL batches.
///
/// ```
/// renderer.start(identity)                 the stream's source: writes the preamble
/// renderer.relationFacts(facts)            before the Relation message it belongs to
/// renderer.consume(message)                each message, in the log's order
/// renderer.inputIdle()                     no more input waits: what is complete goes out
/// renderer.end(at: position, reason: …)    the end position was reached
/// ```
/// Positions move only by what is consumed: ``position`` is the end of the last commit. A transaction that the source
/// sends again is dropped, one that is cut off by another Begin is discarded. Lives on one thread.
public final class BatchRenderer {
    let options: RenderOptions
    let sink: any BatchSink
    let strategy: any StatementStrategy
    private var identity: StreamIdentity?
    private var tables: [UInt32: TablePlan] = [:]
    private var facts: [UInt32: RelationFacts] = [:]
    private var lastTable: TablePlan?
    let frame = TextBuffer(capacity: 4 << 10)
    var isDirty = false

    /// How a target's position is moved; nil before ``start(_:)``.
    private var known: ProgressSQL?
    var batchFrom = LSN.zero
    var pending = Pending()
    var open: OpenTransaction?
    var lastCommitTime: Timestamp?
    /// Which transactions are rendered.
    var cursor: TransactionCursor
    /// Where the stream ends instead, because the wanted end lies inside a commit record.
    private var endLimit: LSN?
    private var resumedAt: LSN?

    /// The end of the last transaction consumed, whether it was rendered or left out.
    public internal(set) var position = LSN.zero
    /// The last watermark given: the stream is complete up to it.
    public private(set) var lastWatermark = LSN.zero
    /// Counts of what was written so far.
    public internal(set) var statistics = RenderStatistics()

    /// The complete transactions that wait to be written.
    struct Pending {
        var transactions = 0
        var changes = 0
        var end = LSN.zero
    }

    /// The transaction being read.
    struct OpenTransaction {
        let begin: Message.Begin
        var changes = 0
        /// Left out: the source sent it before, or it lies beyond the wanted end.
        var isSkipped = false
        /// Its batch is already being written.
        var isStreamed = false
    }

    /// A renderer that writes to `sink`.
    public init(options: RenderOptions, sink: any BatchSink) {
        self.options = options
        self.sink = sink
        cursor = TransactionCursor(CommitRange(to: options.to))
        strategy =
            switch options.order {
            case .net:
                NetStatements(
                    maxRunRows: options.maxChanges, maxRunBytes: options.maxBytes, lanes: options.lanes)
            case .source: OrderedStatements(maxRunRows: options.maxChanges, maxRunBytes: options.maxBytes)
            }
    }

    /// True once everything up to the wanted end (``RenderOptions/to``) was consumed: call ``end(at:reason:)`` next.
    public var hasReachedEnd: Bool {
        guard let to = options.to else { return false }
        return cursor.isPast || position >= to || lastWatermark >= to
    }

    /// Says where the following messages come from. The first call writes the preamble; later ones, for the headers of
    /// further segments, check that the source is the same and that nothing is missing between them. A source that was
    /// promoted has another timeline, and the batches from there on a preamble of their own.
    ///
    /// - Throws: ``BatchError`` with `foreignStream`, `gap` or `unsupportedFormat`; the sink's errors.
    public func start(_ next: StreamIdentity) throws {
        var next = next
        next.logID = next.logID ?? options.logID
        if let identity {
            try identity.check(isContinuedBy: next, at: max(position, lastWatermark))
            guard identity.timeline != next.timeline else { return }
            try inputIdle()
        } else {
            let from = resumedAt ?? options.from ?? next.start
            try next.check(hasAllAfter: from)
            position = from
            batchFrom = from
            cursor.start(at: from)
        }
        identity = next
        known = ProgressSQL(stream: options.stream, source: ProgressSource(next))
        isDirty = true
        try sink.begin(
            BatchPreamble(
                identity: next, from: batchFrom, stream: options.stream, order: options.order,
                isSelection: options.tables.isSelection,
                filter: options.tables.mappings.isEmpty ? options.tables.filter : nil, lanes: options.lanes,
                tool: options.tool))
    }

    /// How a target's position is moved.
    func progress() throws(BatchError) -> ProgressSQL {
        guard let known else {
            throw BatchError(.unexpectedMessage, "a batch comes before the stream's header; the log is damaged")
        }
        return known
    }

    /// Remembers what the source's catalog says about a table, for the Relation message that follows.
    public func relationFacts(_ facts: RelationFacts) {
        self.facts[facts.relation] = facts
    }

    /// Takes one pgoutput message. The bytes need not outlive the call.
    ///
    /// - Throws: ``BatchError``, saying in which transaction and table; the sink's errors.
    public func consume(_ message: UnsafeRawBufferPointer) throws {
        guard identity != nil else {
            throw BatchError(.unexpectedMessage, "a message comes before the stream's header; the log is damaged")
        }
        // Of a transaction that is left out, only its layouts and its end matter.
        if open?.isSkipped == true, BatchRenderer.isRow(message) { return }
        do {
            try handle(try Message(decoding: message), message)
        } catch let error as PgOutputError {
            throw BatchError(error, lsn: open?.begin.finalLSN ?? position)
        } catch let error as BatchError {
            throw error.at(open?.begin.finalLSN ?? position)
        }
    }

    private static func isRow(_ message: UnsafeRawBufferPointer) -> Bool {
        switch MessageKind(rawValue: message.first ?? 0) {
        case .insert, .update, .delete: true
        default: false
        }
    }

    /// Notes that the stream is complete up to `lsn`, though no commit ends there.
    public func watermark(_ lsn: LSN) {
        lastWatermark = max(lastWatermark, lsn)
    }

    /// Continues at another position, as if everything before it had been written. Nothing may wait to be written. What is
    /// known of tables is kept.
    public func resume(at from: LSN) {
        resumedAt = from
        position = from
        batchFrom = from
        cursor.start(at: from)
        lastWatermark = .zero
    }

    /// Writes what is complete, with a marker batch if that is less than up to ``position``, so that another renderer's
    /// batches can follow.
    public func closeRange() throws {
        try abandonOpen()
        if batchFrom < position || strategy.hasCompleted {
            pending.end = position
            try writePending()
        }
    }

    /// Says that no more input waits: the complete transactions are written and flushed.
    public func inputIdle() throws {
        if pending.transactions > 0 && strategy.hasCompleted { try writePending() }
        if isDirty { try flush() }
    }

    /// Says that the reader has nothing to do, though more input waits: a quarter of a batch is written and flushed.
    public func readerIdle() throws {
        guard pending.changes >= options.maxChanges / 4 || strategy.byteCount >= options.maxBytes / 4 else { return }
        try inputIdle()
    }

    /// Writes what is complete, then, when `lsn` lies beyond it, a marker batch that takes the target there, then the
    /// end line. An unfinished transaction is discarded.
    public func end(at lsn: LSN, reason: String) throws {
        guard identity != nil else {
            throw BatchError(.unexpectedMessage, "the stream ends before its header; the log is empty or damaged")
        }
        try abandonOpen()
        let last = max(min(lsn, endLimit ?? lsn), position)
        if pending.transactions > 0 && strategy.hasCompleted { try writePending() }
        position = last
        if batchFrom < last || strategy.hasCompleted {
            pending.end = last
            try writePending()
        }
        frame.clear()
        BatchEnd(to: last, reason: reason).write(to: frame)
        try writeFrame()
        try flush()
        try sink.completed(to: last)
    }
}

// The messages.
extension BatchRenderer {
    private func handle(_ message: Message, _ bytes: UnsafeRawBufferPointer) throws {
        switch message {
        case .insert(let relation, let new):
            guard let table = try startChange(relation, .insert) else { return }
            try strategy.insert(table, new, message: bytes)
            try limitMemory()
        case .update(let relation, let old, let new):
            guard let table = try startChange(relation, .update) else { return }
            try strategy.update(table, old: old, new: new, message: bytes)
            try limitMemory()
        case .delete(let relation, let old):
            guard let table = try startChange(relation, .delete) else { return }
            try strategy.delete(table, old: old, message: bytes)
            try limitMemory()
        case .truncate(let truncate):
            let plans = try truncate.relations.compactMap { try included($0, .truncate) }
            guard !plans.isEmpty else { return }
            open?.changes += 1
            try strategy.truncate(plans, cascade: truncate.cascade, restartIdentity: truncate.restartIdentity)
        case .begin(let begin): try self.begin(begin)
        case .commit(let commit): try self.commit(commit)
        case .relation(let relation): try learn(relation)
        case .type: break
        case .origin(let name, let lsn): try origin(name, lsn)
        case .logicalMessage(let message): try logicalMessage(message)
        }
    }

    private func begin(_ begin: Message.Begin) throws {
        try abandonOpen()
        var next = OpenTransaction(begin: begin)
        next.isSkipped = !cursor.begin(begin)
        open = next
        if !next.isSkipped { strategy.begin() }
    }

    private func commit(_ commit: Message.Commit) throws {
        switch try cursor.closing(commit) {
        case .whole: break
        case .passed:
            open = nil
            return
        case .cutOff:
            // A target inside a commit record could not tell whether it has the transaction.
            endLimit = commit.commitLSN
            return try abandonOpen()
        }
        guard let transaction = open else { throw outOfPlace("a Commit") }
        position = commit.endLSN
        lastCommitTime = commit.commitTime
        statistics.transactions += 1
        statistics.changes += transaction.changes
        if transaction.isStreamed { return try finishStreamed(transaction) }
        open = nil
        try strategy.commit()
        pending.transactions += 1
        pending.changes += transaction.changes
        pending.end = commit.endLSN
        if pending.changes >= options.maxChanges || strategy.byteCount >= options.maxBytes { try writePending() }
    }

    /// Counts a change and returns its table; nil when it is left out.
    private func startChange(_ relation: UInt32, _ operation: Operations) throws -> TablePlan? {
        guard let table = try included(relation, operation) else { return nil }
        open?.changes += 1
        return table
    }

    /// A change's table; nil when its transaction, or such a change of the table, is left out.
    private func included(_ relation: UInt32, _ operation: Operations) throws -> TablePlan? {
        guard let open else { throw outOfPlace("a change") }
        if open.isSkipped { return nil }
        let table = try table(relation)
        // As with a position to begin at: a commit record that begins before it ends at or before it.
        if let start = table.start, open.begin.finalLSN < start { return nil }
        return table.operations.contains(operation) ? table : nil
    }

    private func outOfPlace(_ what: String) -> BatchError {
        BatchError(
            .unexpectedMessage, "\(what) comes outside a transaction; verify the log with `inspect verify`")
    }

    private func table(_ id: UInt32) throws(BatchError) -> TablePlan {
        if let lastTable, lastTable.relation.id == id { return lastTable }
        guard let plan = tables[id] else {
            throw BatchError(
                .unknownRelation,
                "a change names the table with OID \(id), whose layout was not sent; verify the log with "
                    + "`inspect verify`")
        }
        lastTable = plan
        return plan
    }

    private func learn(_ relation: Relation) throws {
        let known = facts[relation.id]
        if let plan = tables[relation.id], plan.relation == relation, plan.facts == known { return }
        let plan = try TablePlan(relation, facts: known, rules: options.tables)
        tables[relation.id] = plan
        lastTable = nil
        try strategy.layout(plan)
    }

    private func origin(_ name: String, _ lsn: LSN) throws {
        guard open?.isSkipped != true else { return }
        frame.clear()
        frame.append("-- walrelay origin {")
        frame.appendJSON(key: "name", name)
        frame.append(",")
        frame.appendJSON(key: "lsn", lsn)
        frame.append("}")
        try comment()
    }

    private func logicalMessage(_ message: Message.LogicalMessage) throws {
        guard open?.isSkipped != true else { return }
        frame.clear()
        frame.append("-- walrelay message {\"transactional\":")
        frame.append(message.isTransactional ? "true," : "false,")
        frame.appendJSON(key: "lsn", message.lsn)
        frame.append(",")
        frame.appendJSON(key: "prefix", message.prefix)
        frame.append(",")
        frame.appendJSON(content: message.content)
        frame.append("}")
        try comment()
        try limitMemory()
    }

    /// Puts the comment in the frame where it came: into the pending batch, or between batches when none is pending.
    private func comment() throws {
        if open != nil || strategy.hasCompleted { return try strategy.comment(frame.bytes) }
        frame.append("\n")
        try writeFrame()
        try sink.completed(to: batchFrom)
    }
}
