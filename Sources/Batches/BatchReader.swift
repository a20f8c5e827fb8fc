import FoundationEssentials
import Postgres

/// Reads batch text and says what it holds, piece by piece; see ``BatchEvent``.
///
/// A pull parser: it reads only as far as it must to answer, and copies no line. Several streams may follow one
/// another, each with its preamble.
public struct BatchReader {
    private enum State {
        case beforePreamble
        case preamble
        case between
        /// After a batch's first line: its BEGIN comes.
        case opening
        /// After BEGIN: the line that moves or holds the position comes.
        case guarding
        case batch
        /// The position was moved at the end of a streamed transaction: its COMMIT comes.
        case closing
        case committing
        case rollingBack
        case copy
    }

    private var scanner: LineScanner
    private var state = State.beforePreamble
    private var header: BatchHeader?
    /// The format of the present stream.
    private var format = BatchPreamble.currentFormat
    /// The lane of the last statement or COPY.
    public private(set) var lane = 0

    /// A reader of `source`.
    ///
    /// - Parameters:
    ///   - bufferBytes: how much is read at once, in bytes; COPY data comes in blocks of about this size.
    ///   - maxLineBytes: a longer line is refused.
    public init(source: any ByteSource, bufferBytes: Int = 256 << 10, maxLineBytes: Int = 4 << 30) {
        scanner = LineScanner(source, capacity: bufferBytes, maxLineBytes: maxLineBytes)
    }

    /// The lines read so far; COPY data lines are not counted.
    public var lineNumber: Int { scanner.lineNumber }

    /// True between a batch's first line and its commit or rollback line.
    public var isInBatch: Bool { header != nil }

    /// The next event.
    ///
    /// - Throws: ``BatchError`` with `malformedBatches`, `unsupportedFormat` or `truncated`; the source's errors.
    public mutating func next() throws -> BatchEvent {
        while true {
            if state == .copy {
                let lines = try scanner.copyLines()
                guard lines.isEmpty else { return .copyData(lines) }
                state = .batch
                return .copyEnd
            }
            guard let line = try scanner.next() else { return try endOfInput() }
            if line.isEmpty { continue }
            if let event = try event(for: line) { return event }
        }
    }

    private func endOfInput() throws -> BatchEvent {
        switch state {
        case .between: return .endOfInput
        case .beforePreamble:
            throw BatchError(.truncated, "the input is empty: not even a preamble; did the program before it fail?")
        case .preamble:
            throw BatchError(.truncated, "the input ends inside the preamble", line: lineNumber)
        case .opening, .guarding, .batch, .closing, .committing, .rollingBack, .copy:
            throw BatchError(
                .truncated,
                "the input ends inside the batch \(header?.range ?? ""), which is not applied; run the pipeline again "
                    + "to continue", lsn: header?.from, line: lineNumber)
        }
    }

    private mutating func event(for line: UnsafeRawBufferPointer) throws -> BatchEvent? {
        if line.starts(with: "--") { return try commentEvent(line) }
        switch state {
        case .preamble:
            return .preambleStatement(line)
        case .opening:
            guard line.isEqual(to: "BEGIN;") else { throw malformed("a batch does not begin with BEGIN") }
            state = .guarding
            return nil
        case .guarding:
            guard isGuard(line) else { throw malformed("a batch does not say where it continues") }
            state = .batch
            return nil
        case .batch:
            return try statementEvent(line)
        case .closing:
            guard line.isEqual(to: "COMMIT;") else { throw malformed("a statement follows the move of the position") }
            state = .committing
            return nil
        case .beforePreamble:
            throw malformed("the text does not begin with a preamble, so it is not a stream of batches")
        case .between:
            throw malformed("a statement stands outside any batch")
        case .committing, .rollingBack, .copy:
            throw malformed("a statement follows the batch's COMMIT or ROLLBACK")
        }
    }

    private mutating func statementEvent(_ line: UnsafeRawBufferPointer) throws -> BatchEvent? {
        if line.isEqual(to: "COMMIT;") {
            state = .committing
            return nil
        }
        if line.isEqual(to: "ROLLBACK;") {
            state = .rollingBack
            return nil
        }
        if try isMove(line) { return nil }
        let (statement, rows) = try split(line)
        if let word = TransactionControl.word(in: statement) {
            throw malformed("\(word.uppercased()) stands inside a batch, which is one transaction")
        }
        guard statement.starts(with: "COPY "), statement.ends(with: " FROM stdin;") else {
            return .statement(statement, expectedRows: rows)
        }
        state = .copy
        return .copy(statement, expectedRows: rows)
    }

    /// The statement up to its semicolon, and the count of a trailing `; -- rows:N`, which ` lane:K` may follow.
    private mutating func split(_ line: UnsafeRawBufferPointer) throws -> (UnsafeRawBufferPointer, Int?) {
        lane = 0
        guard let last = line.last, last != UInt8(ascii: ";") else { return (line, nil) }
        var (rest, count) = try splitNumber(line)
        let laneComment: StaticString = " lane:"
        if rest.ends(with: laneComment), count != nil {
            lane = count ?? 0
            rest = UnsafeRawBufferPointer(rebasing: rest.dropLast(laneComment.utf8CodeUnitCount))
            (rest, count) = try splitNumber(rest)
        }
        let comment: StaticString = "; -- rows:"
        guard let count, rest.ends(with: comment) else { throw malformed("a line is not a whole statement") }
        return (UnsafeRawBufferPointer(rebasing: rest.dropLast(comment.utf8CodeUnitCount - 1)), count)
    }

    /// What stands before the line's last digits, and their number.
    private func splitNumber(_ line: UnsafeRawBufferPointer) throws -> (UnsafeRawBufferPointer, Int?) {
        var index = line.count
        var number = 0
        var scale = 1
        while index > 0, case let digit = line[index - 1], (0x30...0x39).contains(digit) {
            guard line.count - index < 18 else { throw malformed("a row count has too many digits") }
            number += Int(digit - 0x30) * scale
            scale *= 10
            index -= 1
        }
        return (UnsafeRawBufferPointer(rebasing: line[..<index]), index < line.count ? number : nil)
    }

    func malformed(_ what: String) -> BatchError {
        BatchError(
            .malformedBatches, "\(what); write it again with transform", lsn: header?.from, line: lineNumber)
    }
}

// The position, which whoever applies the batch moves.
extension BatchReader {
    /// What version 0.1 wrote, whose position was a replication origin.
    private static let oldGuard: StaticString = "SELECT CASE WHEN o.at IS NULL OR o.at = "
    private static let oldMove: StaticString = "SELECT pg_catalog.pg_replication_origin_xact_setup("
    private static let oldID: StaticString = "SELECT pg_catalog.txid_current();"

    private func isGuard(_ line: UnsafeRawBufferPointer) -> Bool {
        if format == 1 { return line.starts(with: Self.oldGuard) }
        return line.starts(with: header?.to == nil ? ProgressSQL.holdOpening : ProgressSQL.moveOpening)
    }

    private mutating func isMove(_ line: UnsafeRawBufferPointer) throws -> Bool {
        if format == 1 { return line.starts(with: Self.oldMove) || line.isEqual(to: Self.oldID) }
        guard line.starts(with: ProgressSQL.moveOpening) else { return false }
        guard header?.to == nil else { throw malformed("a batch moves the position a second time") }
        state = .closing
        return true
    }
}

// Comment lines.
extension BatchReader {
    private struct CommitMark: Decodable {
        let to: LSN
    }

    private mutating func commentEvent(_ line: UnsafeRawBufferPointer) throws -> BatchEvent? {
        if line.isEqual(to: "-- walrelay preamble end") {
            guard state == .preamble else { throw malformed("a preamble ends that did not begin") }
            state = .between
            return nil
        }
        if let json = line.after("-- walrelay preamble ") { return try preamble(json) }
        if state == .beforePreamble {
            throw malformed("the text does not begin with a preamble, so it is not a stream of batches")
        }
        if let json = line.after("-- walrelay batch ") {
            guard state == .between else { throw malformed("a batch begins inside another") }
            let header = try decode(BatchHeader.self, json)
            guard header.to.map({ $0 >= header.from }) ?? (header.commit != nil) else {
                throw malformed("a batch header does not say where the batch ends")
            }
            self.header = header
            state = .opening
            return .batchBegin(header)
        }
        if line.after("-- walrelay barrier ") != nil {
            guard state == .batch else { throw malformed("a barrier stands outside any batch") }
            return .barrier
        }
        if let json = line.after("-- walrelay commit ") {
            let end = try decode(CommitMark.self, json).to
            guard state == .committing, let header, header.to ?? end == end else {
                throw malformed("a commit line does not fit its batch")
            }
            self.header = nil
            state = .between
            return .commit(end)
        }
        if line.after("-- walrelay rollback ") != nil {
            guard state == .rollingBack else { throw malformed("a rollback line does not fit its batch") }
            header = nil
            state = .between
            return .rollback
        }
        if let json = line.after("-- walrelay end ") {
            guard state == .between else { throw malformed("the stream ends inside a batch") }
            return .end(try decode(BatchEnd.self, json))
        }
        return nil
    }

    private mutating func preamble(_ json: UnsafeRawBufferPointer) throws -> BatchEvent {
        guard state == .beforePreamble || state == .between else { throw malformed("a preamble stands in a batch") }
        struct Format: Decodable { let format: Int }
        let format = try decode(Format.self, json).format
        guard 1...BatchPreamble.currentFormat ~= format else {
            throw BatchError(
                .unsupportedFormat,
                "the text is of format \(format), this version reads up to \(BatchPreamble.currentFormat); use one "
                    + "version of transform and replay", line: lineNumber)
        }
        self.format = format
        state = .preamble
        return .preamble(try decode(BatchPreamble.self, json))
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ json: UnsafeRawBufferPointer) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(json))
        } catch {
            throw malformed("a comment line that belongs to the format cannot be read")
        }
    }
}
