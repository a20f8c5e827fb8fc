import Capture
import PgOutput
import Postgres
import Spool

/// An assembler with the records that it appended, in words.
final class Assembly {
    var assembler: StreamAssembler
    let buffer = ChunkBuffer(capacity: 4096)
    /// The relations whose facts were asked for.
    var asked: [UInt32] = []
    /// Tables that the catalog knows nothing about.
    var unknown: Set<UInt32> = []

    init(position: UInt64 = 0x100, end: UInt64? = nil) {
        assembler = StreamAssembler(
            position: LSN(rawValue: position), end: end.map { LSN(rawValue: $0) })
    }

    var position: UInt64 { assembler.position.rawValue }

    /// Takes a keepalive.
    func keepalive(_ walEnd: UInt64) -> StreamAssembler.Action {
        assembler.keepalive(LSN(rawValue: walEnd))
    }

    /// Appends a watermark, if there is something to say by one.
    func watermark() -> Bool {
        assembler.appendWatermark(into: buffer)
    }

    /// Appends the end record.
    func end() {
        assembler.appendEnd(reason: "endpos", into: buffer)
    }

    /// Takes one message.
    @discardableResult
    func take(_ message: [UInt8], at lsn: UInt64 = 0x1) throws -> StreamAssembler.Action {
        var asked: [UInt32] = []
        let unknown = self.unknown
        let action = try message.withUnsafeBytes { bytes in
            try assembler.consume(bytes, lsn: LSN(rawValue: lsn), into: buffer) { relation in
                asked.append(relation.id)
                if unknown.contains(relation.id) { return nil }
                return RelationFacts(relation: relation.id, schema: relation.namespace, table: relation.name)
            }
        }
        self.asked += asked
        return action
    }

    /// Takes a whole transaction that ends 8 bytes after its commit record begins; returns what the commit led to.
    @discardableResult
    func transaction(_ final: UInt64, _ messages: [UInt8]...) throws -> StreamAssembler.Action {
        try take(Build.begin(final))
        for message in messages { try take(message) }
        return try take(Build.commit(final, end: final + 8), at: final + 8)
    }

    /// The records since the last call.
    func records() throws -> [String] {
        var cursor = RecordCursor(Chunk(bytes: buffer.bytes, file: "-", offset: 0))
        var found: [String] = []
        while let record = try cursor.next() { found.append(try words(record)) }
        buffer.removeAll()
        return found
    }

    private func words(_ record: Record) throws -> String {
        switch record.kind {
        case .header: return "header"
        case .watermark: return "watermark \(record.lsn)"
        case .end: return "end \(record.lsn) \(String(decoding: record.payload, as: UTF8.self))"
        case .relation:
            let facts: RelationFacts = try JSON.decode(record.payload, what: "facts", file: "-")
            return "facts \(facts.table)"
        case .change:
            switch try Message(decoding: record.payload) {
            case .begin(let begin): return "begin \(begin.finalLSN)"
            case .commit(let commit): return "commit \(commit.endLSN)"
            case .origin(let name, _): return "origin \(name)"
            case .relation(let relation): return "layout \(relation.name)"
            case .type(_, _, let name): return "type \(name)"
            case .insert(let id, _): return "insert \(id)"
            case .update(let id, _, _): return "update \(id)"
            case .delete(let id, _): return "delete \(id)"
            case .truncate(let truncate): return "truncate \(truncate.relations)"
            case .logicalMessage(let message): return "message \(message.prefix)"
            }
        }
    }
}
