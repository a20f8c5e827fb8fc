import PgOutput
import Postgres
import Spool

/// A streamed transaction on its way into the log: its messages as they would have come had it been sent at its commit.
final class Splice {
    /// What comes next.
    enum Step {
        /// A message. The bytes are valid until the next call.
        case message(lsn: LSN, payload: UnsafeRawBufferPointer)
        /// A chunk of changes that joins the log as it is. Stays the next until it is taken.
        case chunk(ChunkSummary)
        /// Nothing more.
        case done
    }

    // Keeps the file until the splice is done.
    private let file: TransactionFile
    private let aborted: Set<UInt32>
    private let reader: TransactionReader
    private var phase = Phase.begin
    private let begin: Framing
    private let end: Framing

    private enum Phase {
        case begin
        case changes
        case records
        case chunk(ChunkSummary)
        case commit
        case done
    }

    init(xid: UInt32, commit: Message.Commit, file: TransactionFile, aborted: Set<UInt32>) throws {
        self.file = file
        self.aborted = aborted
        reader = try file.reader()
        let begin = Message.Begin(finalLSN: commit.commitLSN, commitTime: commit.commitTime, xid: xid)
        self.begin = Framing(Message.encodeBegin(begin), lsn: commit.commitLSN)
        end = Framing(Message.encodeCommit(commit), lsn: commit.commitLSN)
    }

    /// The next message or chunk, without what was rolled back.
    func next() throws -> Step {
        while true {
            switch phase {
            case .begin:
                phase = .changes
                return .message(lsn: begin.lsn, payload: begin.bytes)
            case .changes:
                guard let chunk = try reader.next() else {
                    phase = .commit
                    continue
                }
                phase = reader.isWhole(without: aborted) ? .chunk(chunk) : .records
            case .chunk(let summary):
                return .chunk(summary)
            case .records:
                if let record = try reader.record(without: aborted) {
                    return .message(lsn: record.lsn, payload: record.payload)
                }
                phase = .changes
            case .commit:
                phase = .done
                return .message(lsn: end.lsn, payload: end.bytes)
            case .done:
                return .done
            }
        }
    }

    /// Takes the chunk that is next, compressed as it is.
    func takeChunk(into buffer: ChunkBuffer) throws {
        try reader.takeFrame(into: buffer)
        phase = .changes
    }

    /// Leaves out all changes that were not given yet: the log has the transaction already.
    func skipChanges() {
        phase = .done
    }
}

/// A message that was made here, in memory that stays where it is.
private final class Framing {
    let lsn: LSN
    private let buffer: ChunkBuffer

    init(_ message: [UInt8], lsn: LSN) {
        self.lsn = lsn
        buffer = ChunkBuffer(capacity: message.count)
        message.withUnsafeBytes { buffer.append($0) }
    }

    var bytes: UnsafeRawBufferPointer { buffer.bytes }
}
