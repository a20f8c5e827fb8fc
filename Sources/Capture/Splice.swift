import PgOutput
import Postgres
import Spool

/// A streamed transaction on its way into the log: its messages as they would have come had it been sent at its commit.
final class Splice {
    /// The next message.
    struct Step {
        let lsn: LSN
        let payload: UnsafeRawBufferPointer
    }

    private let xid: UInt32
    private let commit: Message.Commit
    // Keeps the file until the splice is done.
    private let file: TransactionFile
    private let aborted: Set<UInt32>
    private let reader: StreamReader
    private var cursor: RecordCursor?
    private var phase = Phase.begin
    private let begin: [UInt8]
    private let end: [UInt8]

    private enum Phase {
        case begin
        case changes
        case done
    }

    init(xid: UInt32, commit: Message.Commit, file: TransactionFile, aborted: Set<UInt32>) throws {
        self.xid = xid
        self.commit = commit
        self.file = file
        self.aborted = aborted
        reader = try file.chunks()
        begin = Message.encodeBegin(
            Message.Begin(finalLSN: commit.commitLSN, commitTime: commit.commitTime, xid: xid))
        end = Message.encodeCommit(commit)
    }

    /// Gives the next message to `body`; false when there is none any more. Skips what was rolled back.
    func next(_ body: (Step) throws -> Void) throws -> Bool {
        switch phase {
        case .begin:
            phase = .changes
            try begin.withUnsafeBytes { try body(Step(lsn: commit.commitLSN, payload: $0)) }
            return true
        case .changes:
            while let record = try nextRecord() {
                guard let plain = plain(record.payload) else { continue }
                try body(Step(lsn: record.lsn, payload: plain))
                return true
            }
            phase = .done
            try end.withUnsafeBytes { try body(Step(lsn: commit.commitLSN, payload: $0)) }
            return true
        case .done:
            return false
        }
    }

    /// Leaves out all changes that were not given yet: the log has the transaction already.
    func skipChanges() {
        phase = .done
    }

    private func nextRecord() throws -> Record? {
        while true {
            if let record = try cursor?.next() { return record }
            switch try reader.next() {
            case .chunk(let chunk): cursor = RecordCursor(chunk)
            case .idle, .finished: return nil
            }
        }
    }

    /// The message without its transaction id; nil when its subtransaction was rolled back.
    private func plain(_ payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        // Origin is the one message that carries no transaction id in a stream.
        guard payload.count > 5, payload[0] != MessageKind.origin.rawValue else { return payload }
        let id = UInt32(bigEndian: payload.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        if aborted.contains(id) { return nil }
        // The kind byte moves over the last byte of the id, so that the rest need not be copied. The memory is the
        // reader's own decompression buffer, which nobody else sees.
        let kind = payload[0]
        let bytes = UnsafeMutableRawBufferPointer(mutating: payload)
        bytes[4] = kind
        return UnsafeRawBufferPointer(rebasing: payload[4...])
    }
}
