import Audit
import Observability
import PgOutput
import Postgres
import Selection
import Spool

/// Shows changes one a line, each with its transaction, so that a line says all by itself.
public final class ChangePrinter {
    private let json: Bool
    private let output: TextOutput
    private let rows: RowText
    /// The transaction of the last line, for the notice that it has no end.
    private var last: LogTransaction?

    /// A printer of lines for people, or of JSON objects.
    public init(json: Bool, output: TextOutput) {
        self.json = json
        self.output = output
        rows = RowText(output: output)
    }

    /// Shows a change.
    ///
    /// - Parameter note: what the change is to whoever asked.
    public func show(
        _ message: Message, _ operation: Operations, _ transaction: LogTransaction, lsn: LSN, _ layouts: Layouts,
        note: String? = nil
    ) throws {
        last = transaction
        let begin = transaction.begin
        let images = RowImages(message, layouts)
        if json {
            try output.write(
                "{\"transaction\":\"\(begin.finalLSN)\",\"time\":\"\(begin.commitTime)\",\"xid\":\(begin.xid),"
                    + "\"change\":\(transaction.changes),\"lsn\":\"\(lsn)\",\"operation\":\"\(operation.name)\"")
            if let note { try output.write(",\"note\":\(JSONText.string(note))") }
        } else {
            try output.write("\(begin.commitTime) \(begin.finalLSN) xid=\(begin.xid) #\(transaction.changes) ")
            if let note { try output.write("[\(note)] ") }
            try output.write(operation.name.uppercased())
        }
        if case .truncate(let truncate) = message {
            try show(truncate, layouts)
        } else if let images, let relation = (images.after ?? images.before)?.relation {
            try json ? showJSON(images, relation) : showText(images, relation)
        }
        try output.write(json ? "}\n" : "\n")
    }

    private func showText(_ images: RowImages, _ relation: Relation) throws {
        try output.write(" " + RowText.table(relation))
        if let row = images.before {
            try output.write(row.isKeyOnly ? " before (key):" : " before:")
            try rows.writeText(row)
        }
        if let row = images.after {
            try output.write(" after:")
            try rows.writeText(row)
        }
    }

    private func showJSON(_ images: RowImages, _ relation: Relation) throws {
        try output.write(
            ",\"schema\":\(JSONText.string(relation.namespace)),\"table\":\(JSONText.string(relation.name))")
        if let row = images.before {
            try output.write(row.isKeyOnly ? ",\"before_key\":" : ",\"before\":")
            try rows.writeJSON(row)
        }
        if let row = images.after {
            try output.write(",\"after\":")
            try rows.writeJSON(row)
            if let names = RowText.unchanged(row) { try output.write(",\"unchanged\":\(names)") }
        }
    }

    private func show(_ truncate: Message.Truncate, _ layouts: Layouts) throws {
        let relations = truncate.relations.compactMap { layouts.relation($0) }
        if json {
            let tables = relations.map {
                "{\"schema\":\(JSONText.string($0.namespace)),\"table\":\(JSONText.string($0.name))}"
            }
            try output.write(
                ",\"tables\":[\(tables.joined(separator: ","))],\"cascade\":\(truncate.cascade),"
                    + "\"restart_identity\":\(truncate.restartIdentity)")
        } else {
            try output.write(" " + relations.map(RowText.table).joined(separator: ", "))
            if truncate.restartIdentity { try output.write(" restart identity") }
            if truncate.cascade { try output.write(" cascade") }
        }
    }

    /// Says in JSON that the transaction of the last lines is complete, if they were of this one, and what position it
    /// takes a reader to. True if something was said.
    public func committed(_ commit: Message.Commit, _ transaction: LogTransaction) throws -> Bool {
        guard let last, last.begin == transaction.begin else { return false }
        let begin = last.begin
        try output.write(
            "{\"transaction\":\"\(begin.finalLSN)\",\"time\":\"\(begin.commitTime)\",\"xid\":\(begin.xid),"
                + "\"changes\":\(transaction.changes),\"commit\":\"\(commit.endLSN)\"}\n")
        self.last = nil
        return true
    }

    /// Says that the transaction of the last lines has no end, if they were of this one.
    public func unfinished(_ transaction: LogTransaction) throws {
        guard let last, last.begin == transaction.begin else { return }
        let begin = last.begin
        if json {
            try output.write(
                "{\"transaction\":\"\(begin.finalLSN)\",\"xid\":\(begin.xid),\"unfinished\":true}\n")
        } else {
            try output.write(
                "\(begin.commitTime) \(begin.finalLSN) xid=\(begin.xid) UNFINISHED: its lines above did not commit "
                    + "here\n")
        }
        self.last = nil
    }

    /// Writes out what is held back.
    public func flush() throws {
        try output.flush()
    }
}

extension Operations {
    /// The name of one operation.
    public var name: String {
        switch self {
        case .insert: "insert"
        case .update: "update"
        case .delete: "delete"
        default: "truncate"
        }
    }
}
