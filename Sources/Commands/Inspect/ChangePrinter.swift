import Audit
import Observability
import PgOutput
import Postgres
import Selection
import Spool

/// Shows changes one a line, each with its transaction, so that a line says all by itself.
final class ChangePrinter {
    private let json: Bool
    private let output: TextOutput
    private let rows: RowText
    /// The transaction of the last line, for the notice that it has no end.
    private var last: LogTransaction?

    init(json: Bool, output: TextOutput) {
        self.json = json
        self.output = output
        rows = RowText(output: output)
    }

    /// Shows a change.
    ///
    /// - Parameter note: what the change is to whoever asked.
    func show(
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

    /// Says that the transaction of the last lines has no end, if they were of this one.
    func unfinished(_ transaction: LogTransaction) throws {
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

    func flush() throws {
        try output.flush()
    }
}

extension Operations {
    /// The name of one operation.
    var name: String {
        switch self {
        case .insert: "insert"
        case .update: "update"
        case .delete: "delete"
        default: "truncate"
        }
    }
}
