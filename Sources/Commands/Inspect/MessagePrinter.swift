import CommandSupport
import Observability
import PgOutput
import Postgres
import Spool

/// Shows records as lines for people, or as JSON lines.
struct MessagePrinter {
    private let json: Bool
    private var relations: [UInt32: Relation] = [:]
    private var text = ""

    init(json: Bool) {
        self.json = json
    }

    /// Writes what was collected.
    mutating func flush() {
        Output.write(text, to: 1)
        text = ""
    }

    mutating func show(_ record: Record, file: String) throws {
        switch record.kind {
        case .header:
            let header = try SegmentHeader(payload: record.payload, file: file)
            line(
                "segment", lsn: record.lsn,
                [
                    ("database", header.database), ("slot", header.slot),
                    ("system", header.systemIdentifier), ("timeline", String(header.timeline)),
                ])
        case .relation:
            break
        case .watermark:
            line("watermark", lsn: record.lsn, [])
        case .end:
            let mark: EndMark = try JSON.decode(record.payload, what: "the end record", file: file)
            line("end", lsn: record.lsn, [("reason", mark.reason)])
        case .change:
            do {
                show(try Message(decoding: record.payload), lsn: record.lsn)
            } catch {
                throw SpoolError(.corrupt, "\(error) (record at LSN \(record.lsn))", file: file)
            }
        }
        if text.utf8.count > 1 << 16 { flush() }
    }

    private mutating func show(_ message: Message, lsn: LSN) {
        switch message {
        case .begin(let begin):
            line("begin", lsn: begin.finalLSN, [("xid", String(begin.xid)), ("time", begin.commitTime.description)])
        case .commit(let commit):
            line("commit", lsn: commit.endLSN, [("time", commit.commitTime.description)])
        case .origin(let name, _):
            line("origin", lsn: lsn, [("name", name)])
        case .relation(let relation):
            relations[relation.id] = relation
            line(
                "relation", lsn: lsn,
                [
                    ("table", "\(relation.namespace).\(relation.name)"),
                    ("columns", relation.columns.map(\.name).joined(separator: ",")),
                ])
        case .type(_, let namespace, let name):
            line("type", lsn: lsn, [("name", "\(namespace).\(name)")])
        case .insert(let relation, let new):
            line("insert", lsn: lsn, [("table", name(relation))], rows: [("new", relation, new)])
        case .update(let relation, let old, let new):
            let before = old.map { [("old", relation, $0.tuple)] } ?? []
            line("update", lsn: lsn, [("table", name(relation))], rows: before + [("new", relation, new)])
        case .delete(let relation, let old):
            line("delete", lsn: lsn, [("table", name(relation))], rows: [("old", relation, old.tuple)])
        case .truncate(let truncate):
            line(
                "truncate", lsn: lsn,
                [
                    ("tables", truncate.relations.map(name).joined(separator: ",")),
                    ("cascade", String(truncate.cascade)), ("restart_identity", String(truncate.restartIdentity)),
                ])
        case .logicalMessage(let message):
            line(
                "message", lsn: message.lsn,
                [
                    ("transactional", String(message.isTransactional)), ("prefix", message.prefix),
                    ("content", String(decoding: message.content, as: UTF8.self)),
                ])
        }
    }

    private func name(_ relation: UInt32) -> String {
        relations[relation].map { "\($0.namespace).\($0.name)" } ?? "relation \(relation)"
    }

    private mutating func line(
        _ kind: String, lsn: LSN, _ fields: [(String, String)], rows: [(String, UInt32, Tuple)] = []
    ) {
        if json {
            let plain = ([("kind", kind), ("lsn", lsn.description)] + fields)
                .map { JSONText.string($0.0) + ":" + JSONText.string($0.1) }
            let objects = rows.map { JSONText.string($0.0) + ":" + object($0.1, $0.2) }
            text += "{" + (plain + objects).joined(separator: ",") + "}\n"
            return
        }
        let indent = ["begin", "commit", "segment", "end", "watermark"].contains(kind) ? "" : "  "
        text += "\(indent)\(kind.uppercased()) \(lsn)"
        for (key, value) in fields { text += " \(key)=\(plain(value))" }
        for (which, relation, tuple) in rows { text += " \(which): \(columns(relation, tuple))" }
        text += "\n"
    }

    /// The text with control characters escaped, so that one message stays one line.
    private func plain(_ value: String) -> String {
        let needsQuotes = value.isEmpty || value.unicodeScalars.contains { $0.value <= 0x20 || $0 == "\"" }
        return needsQuotes ? JSONText.string(value) : value
    }

    private func columnName(_ relation: UInt32, _ index: Int) -> String {
        guard let columns = relations[relation]?.columns, index < columns.count else { return "column \(index + 1)" }
        return columns[index].name
    }

    private func columns(_ relation: UInt32, _ tuple: Tuple) -> String {
        values(tuple).map { index, value in
            let name = columnName(relation, index)
            return switch value {
            case .null: "\(name)=NULL"
            case .unchanged: "\(name)=(unchanged)"
            case .text(let bytes): "\(name)=\(JSONText.string(String(decoding: bytes, as: UTF8.self)))"
            case .binary(let bytes): "\(name)=(\(bytes.count) bytes)"
            }
        }.joined(separator: " ")
    }

    /// Unchanged values are left out: JSON has no word for them, and null is taken.
    private func object(_ relation: UInt32, _ tuple: Tuple) -> String {
        let members = values(tuple).compactMap { index, value -> String? in
            let name = JSONText.string(columnName(relation, index))
            return switch value {
            case .null: name + ":null"
            case .unchanged: nil
            case .text(let bytes): name + ":" + JSONText.string(String(decoding: bytes, as: UTF8.self))
            case .binary(let bytes): name + ":{\"bytes\":\(bytes.count)}"
            }
        }
        return "{" + members.joined(separator: ",") + "}"
    }

    private func values(_ tuple: Tuple) -> [(Int, ColumnValue)] {
        var cursor = tuple.columns
        var values: [(Int, ColumnValue)] = []
        while let value = cursor.next() { values.append((values.count, value)) }
        return values
    }
}
