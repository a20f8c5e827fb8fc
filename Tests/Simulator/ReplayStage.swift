import Batches
import Postgres

/// What `replay --spool` does, on the model of a target: which batches are passed over, applied or refused, and what is
/// done about those that fail (docs/batch-format.md, "How replay decides"; `Apply/BatchApplier+Recovery`).
///
/// The text is read by the real reader, the statements about the position are the real ones. What the real program does
/// with connections is not here: it speaks libpq.
final class ReplayStage {
    private let history: History
    private var target: TargetModel { history.target }
    private var progress: ProgressSQL?
    /// The target's position as it was read or moved last.
    private var position: LSN?
    private var open: BatchHeader?
    private var isSkipping = false
    private var failure: (any Error)?
    /// The open batch's statements, to send them again.
    private var kept: [Step] = []

    private enum Step {
        case statement([UInt8], rows: Int?)
        case copy([UInt8], rows: Int?, data: [UInt8])
    }

    /// The target is at a position inside the batch.
    private struct Straddling: Error {}

    private enum Order {
        case net, source, split
    }

    init(_ history: History) {
        self.history = history
    }

    /// True at the end line.
    func run() throws -> Bool {
        target.connect()
        position = try target.durablePosition()
        let options = history.renderOptions(from: history.beginning(before: position))
        let stage = try TransformStage(history.spool, options)
        history.readers = stage
        defer { history.readers = nil }
        let usual: Order = options.order == .net ? .net : .source
        var reader = BatchReader(source: PipeSource(stage: stage, history: history), bufferBytes: 4_096)
        while true {
            let event = try reader.next()
            try history.tick()
            if case .end(let end) = event { return try finish(end) }
            try handle(event, usual)
        }
    }

    private func finish(_ end: BatchEnd) throws -> Bool {
        do {
            let now = try target.durablePosition() ?? .zero
            if now >= end.to { return true }
            throw HistoryFailure("the stream ends at \(end.to), and the target is at \(now)")
        } catch is TargetModel.SessionLost {
            target.connect()
            // A crash that takes back what was applied shows here as less than the end; then it is run again.
            guard let now = try target.durablePosition(), now >= end.to else { throw History.Restart() }
            return true
        }
    }

    private func handle(_ event: BatchEvent, _ usual: Order) throws {
        switch event {
        case .preamble(let preamble): try begin(preamble)
        case .batchBegin(let header):
            open = header
            kept = []
            failure = nil
            isSkipping = false
            attempt {
                isSkipping = try isApplied(header)
                if isSkipping { history.counts.repeats += 1 } else { try begin(header) }
            }
        case .statement(let sql, let rows): keep(.statement(Array(sql.dropLast()), rows: rows))
        case .copy(let sql, let rows): kept.append(.copy(Array(sql.dropLast()), rows: rows, data: []))
        case .copyData(let data):
            guard case .copy(let sql, let rows, let before)? = kept.popLast() else { return }
            kept.append(.copy(sql, rows: rows, data: before + Array(data)))
        case .copyEnd: if let last = kept.popLast() { keep(last) }
        case .commit(let end): try commit(end, usual)
        case .rollback:
            target.rollback()
            open = nil
        case .preambleStatement, .barrier: break
        case .end, .endOfInput: throw HistoryFailure("the text ends without an end line")
        }
    }

    private func begin(_ preamble: BatchPreamble) throws {
        let source = ProgressSource(preamble)
        progress = ProgressSQL(stream: preamble.stream, source: source)
        if position == nil, let progress {
            let row = progress.insertRow(at: preamble.from, tool: "simulated")
            do { _ = try target.execute(Array(row.utf8)) } catch is TargetModel.SessionLost { throw History.Restart() }
            position = target.state.progress?.position
        }
        guard let row = target.state.progress else { return }
        guard row.system == source.systemIdentifier, row.database == source.database, row.logID == source.logID else {
            throw HistoryFailure("the text is of another source than the position")
        }
    }

    private func isApplied(_ header: BatchHeader) throws -> Bool {
        guard let position else { throw HistoryFailure("a batch comes before any position") }
        if header.to.map({ $0 <= position }) ?? header.commit.map({ $0 < position }) ?? false { return true }
        guard header.from >= position else { throw Straddling() }
        guard header.from == position else {
            throw HistoryFailure("the target is at \(position), and the batch continues from \(header.from)")
        }
        return false
    }

    private func attempt(_ step: () throws -> Void) {
        guard failure == nil, !isSkipping else { return }
        do {
            try step()
        } catch {
            if !(error is TargetModel.SessionLost) { target.rollback() }
            failure = error
        }
    }

    private func keep(_ step: Step) {
        kept.append(step)
        attempt { try perform(step) }
    }

    private func begin(_ header: BatchHeader) throws {
        _ = try target.execute(Array("BEGIN".utf8))
        guard let progress else { return }
        if let to = header.to {
            try one(progress.move(from: header.from, to: to, committedAt: header.committedAt))
        } else {
            try one(progress.hold(at: header.from))
        }
    }

    private func one(_ statement: String) throws {
        let rows = try target.execute(Array(statement.utf8))
        guard rows == 1 else { throw HistoryFailure("the position is not where it should be: \(statement)") }
    }

    private func perform(_ step: Step) throws {
        let done: (statement: [UInt8], rows: Int?, expected: Int?)
        switch step {
        case .statement(let sql, let rows): done = (sql, try target.execute(sql), rows)
        case .copy(let sql, let rows, let data): done = (sql, try target.copy(sql, data), rows)
        }
        guard let expected = done.expected, done.rows != expected else { return }
        let statement = String(decoding: done.statement.prefix(300), as: UTF8.self)
        throw Refusal.rows(done.rows ?? -1, expected: expected, statement: statement)
    }

    private func end(_ header: BatchHeader, _ end: LSN) throws {
        guard let progress else { return }
        if header.to == nil { try one(progress.move(from: header.from, to: end, committedAt: header.committedAt)) }
        try one(progress.check(isAt: end))
        history.chooseCommitFault()
        _ = try target.execute(Array("COMMIT".utf8))
        position = end
    }

    private func commit(_ to: LSN, _ usual: Order) throws {
        guard let header = open else { return }
        attempt { try end(header, to) }
        open = nil
        guard let failed = failure else { return }
        failure = nil
        try recover(header, to, failed, usual)
    }
}

// What is done about a batch that failed.
extension ReplayStage {
    private func recover(_ header: BatchHeader, _ to: LSN, _ first: any Error, _ usual: Order) throws {
        var failure = first
        var order = usual
        for _ in 0..<100 {
            do {
                switch failure {
                case is Refusal:
                    history.counts.refusals += 1
                    guard let next = next(order) else { throw HistoryFailure("refused in every order: \(failure)") }
                    order = next
                case is TargetModel.SessionLost:
                    target.connect()
                    position = try target.durablePosition()
                    if let position, position >= to { return }
                    if order == usual, position == header.from { return try again(header, to) }
                case is Straddling: break
                default: throw failure
                }
                return try apply(position ?? header.from, to, order)
            } catch let error as Refusal {
                target.rollback()
                failure = error
            } catch let error as TargetModel.SessionLost {
                failure = error
            }
            try history.tick()
        }
        throw HistoryFailure("no end of recovering \(header.range)")
    }

    private func next(_ order: Order) -> Order? {
        switch order {
        case .net: .source
        case .source: .split
        case .split: nil
        }
    }

    /// Sends the batch once more as it was kept.
    private func again(_ header: BatchHeader, _ to: LSN) throws {
        try begin(header)
        for step in kept { try perform(step) }
        try end(header, to)
    }

    /// Applies a range of the log.
    private func apply(_ from: LSN, _ to: LSN, _ order: Order) throws {
        history.counts.ranges += 1
        var options = history.renderOptions(from: from)
        options.order = order == .net ? .net : .source
        if order == .split { options.maxChanges = 1 }
        let stage = try TransformStage(history.spool, options, to: to)
        var reader = BatchReader(source: PipeSource(stage: stage, history: history), bufferBytes: 4_096)
        var header: BatchHeader?
        var copy: ([UInt8], Int?, [UInt8])?
        while true {
            let event = try reader.next()
            try history.tick()
            switch event {
            case .batchBegin(let next):
                guard try !isApplied(next) else { throw HistoryFailure("a range begins before the position") }
                header = next
                try begin(next)
            case .statement(let sql, let rows): try perform(.statement(Array(sql.dropLast()), rows: rows))
            case .copy(let sql, let rows): copy = (Array(sql.dropLast()), rows, [])
            case .copyData(let data): copy?.2 += Array(data)
            case .copyEnd: if let (sql, rows, data) = copy { try perform(.copy(sql, rows: rows, data: data)) }
            case .commit(let end): if let header { try self.end(header, end) }
            case .rollback: target.rollback()
            case .end: return
            case .preamble, .preambleStatement, .barrier: break
            case .endOfInput: throw HistoryFailure("a range ends without an end line")
            }
        }
    }
}
