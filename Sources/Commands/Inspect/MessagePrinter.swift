import Audit
import ChangeLines
import Observability
import PgOutput
import Postgres
import Spool

/// Shows what is in a log, message by message, as lines for people or as JSON lines.
final class MessagePrinter {
    private let json: Bool
    private let output: TextOutput
    private let rows: RowText
    /// Show only transactions in which something is shown.
    private let isSelective: Bool
    private var pendingBegin: LogTransaction?

    /// - Parameter isSelective: tables or operations are left out, and so is what belongs to none.
    init(json: Bool, isSelective: Bool, output: TextOutput) {
        self.json = json
        self.isSelective = isSelective
        self.output = output
        rows = RowText(output: output)
    }

    func show(_ event: LogEvent, _ layouts: Layouts) throws {
        switch event {
        case .segment(let header, _, _):
            try line(
                "segment", lsn: header.start,
                [
                    ("database", header.database), ("slot", header.slot),
                    ("system", header.systemIdentifier), ("timeline", String(header.timeline)),
                ])
        case .begin(let transaction):
            pendingBegin = transaction
            if !isSelective { try showBegin() }
        case .change(let message, _, _, let lsn):
            try showBegin()
            try show(change: message, lsn: lsn, layouts)
        case .other(let message, let lsn):
            if !isSelective { try show(other: message, lsn: lsn) }
        case .commit(let commit, _):
            defer { pendingBegin = nil }
            guard pendingBegin == nil else { return }
            try line("commit", lsn: commit.endLSN, [("time", commit.commitTime.description)])
        case .unfinished(let transaction):
            defer { pendingBegin = nil }
            guard pendingBegin == nil else { return }
            try line("unfinished", lsn: transaction.begin.finalLSN, [("xid", String(transaction.begin.xid))])
        case .watermark(let lsn):
            try line("watermark", lsn: lsn, [])
        case .end(let mark, let lsn):
            try line("end", lsn: lsn, [("reason", mark.reason)])
        }
    }

    private func showBegin() throws {
        guard let begin = pendingBegin?.begin else { return }
        pendingBegin = nil
        try line("begin", lsn: begin.finalLSN, [("xid", String(begin.xid)), ("time", begin.commitTime.description)])
    }

    private func show(change message: Message, lsn: LSN, _ layouts: Layouts) throws {
        func name(_ id: UInt32) -> String {
            layouts.relation(id).map { "\($0.namespace).\($0.name)" } ?? "relation \(id)"
        }
        if case .truncate(let truncate) = message {
            return try line(
                "truncate", lsn: lsn,
                [
                    ("tables", truncate.relations.map(name).joined(separator: ",")),
                    ("cascade", String(truncate.cascade)), ("restart_identity", String(truncate.restartIdentity)),
                ])
        }
        guard let images = RowImages(message, layouts) else { return }
        let relation = (images.after ?? images.before)?.relation
        let kind = images.before == nil || images.after == nil ? (images.before == nil ? "insert" : "delete") : "update"
        var operation = kind
        if case .update = message { operation = "update" }
        var all: [(String, RowImage)] = []
        if let row = images.before { all.append(("old", row)) }
        if let row = images.after { all.append(("new", row)) }
        try line(operation, lsn: lsn, [("table", relation.map { name($0.id) } ?? "")], rows: all)
    }

    private func show(other message: Message, lsn: LSN) throws {
        switch message {
        case .origin(let name, _):
            try line("origin", lsn: lsn, [("name", name)])
        case .relation(let relation):
            try line(
                "relation", lsn: lsn,
                [
                    ("table", "\(relation.namespace).\(relation.name)"),
                    ("columns", relation.columns.map(\.name).joined(separator: ",")),
                ])
        case .type(_, let namespace, let name):
            try line("type", lsn: lsn, [("name", "\(namespace).\(name)")])
        case .logicalMessage(let message):
            try line(
                "message", lsn: message.lsn,
                [("transactional", String(message.isTransactional)), ("prefix", message.prefix)],
                content: message.content)
        default: break
        }
    }

    private func line(
        _ kind: String, lsn: LSN, _ fields: [(String, String)], rows all: [(String, RowImage)] = [],
        content: UnsafeRawBufferPointer? = nil
    ) throws {
        if json {
            let plain = ([("kind", kind), ("lsn", lsn.description)] + fields)
                .map { JSONText.string($0.0) + ":" + JSONText.string($0.1) }
            try output.write("{" + plain.joined(separator: ","))
            for (which, row) in all {
                try output.write(",\"\(which)\":")
                try rows.writeJSON(row)
            }
            if let content {
                try output.write(",\"content\":")
                if try !output.writeString(content) {
                    try output.write("{\"hex\":\"")
                    try output.writeHex(content)
                    try output.write("\"}")
                }
            }
            return try output.write("}\n")
        }
        let isOuter = ["begin", "commit", "segment", "end", "watermark", "unfinished"].contains(kind)
        try output.write("\(isOuter ? "" : "  ")\(kind.uppercased()) \(lsn)")
        for (key, value) in fields { try output.write(" \(key)=\(RowText.word(value))") }
        for (which, row) in all {
            try output.write(" \(which):")
            try rows.writeText(row)
        }
        if let content {
            try output.write(" content=")
            if try !output.writeString(content) {
                try output.write("\\x")
                try output.writeHex(content)
            }
        }
        try output.write("\n")
    }
}
