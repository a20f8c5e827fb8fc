import Glibc
import PgOutput
import Postgres
import Spool

/// Collects transactions that the source sends while they are still in progress, each in a file beside the log.
///
/// Memory is bounded by the number of transactions that are streamed at the same time; their size does not matter.
final class StreamCollector {
    private final class Collected {
        let file: TransactionFile
        /// Rolled-back subtransactions, whose changes do not join the log.
        var aborted: Set<UInt32> = []

        init(_ file: TransactionFile) {
            self.file = file
        }
    }

    private let folder: String
    private var transactions: [UInt32: Collected] = [:]
    /// The one whose changes are being sent.
    private var current: Collected?

    /// A collector that keeps its files in `folder`, which is emptied: what a crash left there is sent again.
    init(folder: String) throws {
        self.folder = folder
        try TransactionFile.clear(folder)
    }

    /// True between Stream Start and Stream Stop.
    var isInStream: Bool { current != nil }

    /// Bytes of all files.
    var fileBytes: UInt64 { transactions.values.reduce(0) { $0 + $1.file.fileSize } }

    /// Transactions in progress.
    var count: Int { transactions.count }

    func start(_ xid: UInt32) throws {
        guard current == nil else { throw Self.misplaced("Stream Start inside a stream") }
        let transaction = try transactions[xid] ?? Collected(TransactionFile(path: "\(folder)/\(xid).txn"))
        transactions[xid] = transaction
        current = transaction
    }

    func append(_ payload: UnsafeRawBufferPointer, lsn: LSN) throws {
        guard let current else { throw Self.misplaced("a streamed change outside a stream") }
        try waitingForSpace { try current.file.append(lsn: lsn, payload: payload) }
    }

    /// The disk had no room for what is held in memory. Nothing more may be given until ``retry()`` says so.
    private(set) var isDiskFull = false

    /// Tries to write again what found no room. True when it found some.
    func retry() throws -> Bool {
        isDiskFull = false
        for transaction in transactions.values { try waitingForSpace { try transaction.file.flush() } }
        return !isDiskFull
    }

    /// A write that fails for want of space leaves file and memory as they were before it.
    private func waitingForSpace(_ write: () throws -> Void) throws {
        do {
            try write()
        } catch let error as SpoolError where error.code == .io(errno: ENOSPC) || error.code == .io(errno: EDQUOT) {
            isDiskFull = true
        }
    }

    func stop() throws {
        guard let transaction = current else { throw Self.misplaced("Stream Stop outside a stream") }
        current = nil
        // What has arrived is on disk while the transaction is still running on the source.
        try waitingForSpace { try transaction.file.rest() }
    }

    func abort(_ xid: UInt32, subtransaction: UInt32) {
        if xid == subtransaction {
            transactions[xid] = nil
        } else {
            transactions[xid]?.aborted.insert(subtransaction)
        }
    }

    /// Takes a committed transaction out, to be spliced into the log.
    func take(_ xid: UInt32, _ commit: Message.Commit) throws -> Splice {
        guard let collected = transactions.removeValue(forKey: xid) else {
            throw Self.misplaced("Stream Commit of transaction \(xid), of which nothing was streamed")
        }
        return try Splice(xid: xid, commit: commit, file: collected.file, aborted: collected.aborted)
    }

    private static func misplaced(_ what: String) -> CaptureError {
        CaptureError(.protocolViolation, "the source sent \(what)")
    }
}
