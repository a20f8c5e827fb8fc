import PgOutput
import Postgres

extension Message {
    /// All fields of a message in words, so that messages can be compared although they borrow their bytes.
    var words: String {
        switch self {
        case .begin(let begin):
            "begin \(begin.finalLSN) at \(begin.commitTime) xid \(begin.xid)"
        case .commit(let commit):
            "commit \(commit.commitLSN) end \(commit.endLSN) at \(commit.commitTime)"
        case .origin(let name, let lsn):
            "origin \(name) at \(lsn)"
        case .relation(let relation):
            "relation \(relation.id) \(relation.namespace).\(relation.name) by \(relation.replicaIdentity): "
                + relation.columns.map { column in
                    "\(column.isKey ? "*" : "")\(column.name) \(column.typeOID) \(column.typeModifier)"
                }.joined(separator: ", ")
        case .type(let oid, let namespace, let name):
            "type \(oid) \(namespace).\(name)"
        case .insert(let relation, let new):
            "insert \(relation) (\(new.words))"
        case .update(let relation, let old, let new):
            "update \(relation) \(old.map { "\($0.words) " } ?? "")to (\(new.words))"
        case .delete(let relation, let old):
            "delete \(relation) \(old.words)"
        case .truncate(let truncate):
            "truncate \(truncate.relations) cascade \(truncate.cascade) restart \(truncate.restartIdentity)"
        case .logicalMessage(let message):
            "message \(message.isTransactional ? "inside" : "outside") at \(message.lsn) \(message.prefix) "
                + "\(Array(message.content))"
        }
    }
}

extension Message.OldTuple {
    var words: String {
        switch self {
        case .key(let tuple): "key (\(tuple.words))"
        case .full(let tuple): "old (\(tuple.words))"
        }
    }
}

extension Tuple {
    var words: String {
        var cursor = columns
        var values: [String] = []
        while let value = cursor.next() {
            switch value {
            case .null: values.append("NULL")
            case .unchanged: values.append("unchanged")
            case .binary(let bytes): values.append("binary \(Array(bytes))")
            case .text(let bytes):
                let text = String(decoding: bytes, as: UTF8.self)
                values.append(text.utf8.count > 100 ? "\(text.utf8.count) bytes" : "'\(text)'")
            }
        }
        return values.joined(separator: ", ") + (values.count == columnCount ? "" : " of \(columnCount)")
    }
}

/// A message's fields in words.
func words(_ bytes: [UInt8]) throws -> String {
    try bytes.withUnsafeBytes { try Message(decoding: $0).words }
}
