import PgOutput
import Postgres

/// Why batches cannot be written or read. Never quotes row values.
public struct BatchError: Error, Sendable, Equatable {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// A pgoutput message cannot be decoded, or does not fit its table's layout.
        case malformedMessage
        /// A message came where the protocol does not allow it.
        case unexpectedMessage
        /// A change names a table whose layout was not sent.
        case unknownRelation
        /// An update or delete of a table whose rows the source does not identify.
        case noReplicaIdentity
        /// A value came in binary form.
        case binaryValue
        /// Values have no room in a statement.
        case tooLarge
        /// The stream comes from another server or database than it began with.
        case foreignStream
        /// Changes between the wanted start and the stream's start are missing.
        case gap
        /// The text is not a stream of batches.
        case malformedBatches
        /// The text is of a format that this version does not read.
        case unsupportedFormat
        /// The text ends inside a batch, a preamble or a line.
        case truncated
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened and what to do next.
    public let message: String
    /// The transaction it happened in: where its commit record begins. For text, the batch's `from`.
    public private(set) var lsn: LSN?
    /// The table, schema-qualified and quoted.
    public let table: String?
    /// The line of batch text, counted from 1.
    public let line: Int?

    /// An error of the given kind.
    public init(_ code: Code, _ message: String, lsn: LSN? = nil, table: String? = nil, line: Int? = nil) {
        self.code = code
        self.message = message
        self.lsn = lsn
        self.table = table
        self.line = line
    }

    init(_ error: PgOutputError, lsn: LSN?) {
        self.init(
            .malformedMessage, "\(error); verify the log with `inspect verify`, and report it if the log is sound",
            lsn: lsn)
    }

    fileprivate init(_ error: TransactionError) {
        switch error {
        case .around: self.init(.gap, "\(error)")
        case .outside: self.init(.unexpectedMessage, "\(error); verify the log with `inspect verify`")
        case .ofAnother: self.init(.malformedMessage, "\(error); verify the log with `inspect verify`")
        }
    }

    /// The same error with its position, unless it has one.
    func at(_ lsn: LSN?) -> BatchError {
        var located = self
        located.lsn = self.lsn ?? lsn
        return located
    }
}

extension BatchError: CustomStringConvertible {
    /// One line: where, what, and what to do next.
    public var description: String {
        var place: [String] = []
        if let line { place.append("line \(line)") }
        if let lsn { place.append("LSN \(lsn)") }
        if let table { place.append("table \(table)") }
        return place.isEmpty ? message : "\(place.joined(separator: ", ")): \(message)"
    }
}

extension TransactionCursor {
    /// A transaction ends, for whoever renders it.
    ///
    /// - Throws: ``BatchError``: `gap`, `unexpectedMessage` or `malformedMessage`.
    package mutating func closing(_ commit: Message.Commit) throws(BatchError) -> Closing {
        do throws(TransactionError) {
            return try self.commit(commit)
        } catch {
            throw BatchError(error)
        }
    }
}
