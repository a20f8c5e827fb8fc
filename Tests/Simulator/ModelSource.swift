import Capture
import PgOutput
import Postgres
import TestSupport

/// The source server, seen by who reads its WAL: what there is of it so far, and the slot.
final class ModelSource {
    let log: SourceLog
    let serverVersion: Int
    /// Transactions without changes are not sent (15 and newer).
    let skipsEmpty: Bool
    /// Logical messages are sent (14 and newer).
    let sendsMessages: Bool
    /// Changes that the decoder holds before it streams a transaction.
    let decodingMemory: Int
    /// Records that are there by now.
    private(set) var visible = 0
    /// What the slot has been told.
    private(set) var confirmed = LSN(rawValue: SourceLog.start)
    /// What of this a crash leaves.
    private var saved = LSN(rawValue: SourceLog.start)
    /// Counts of what was sent.
    var streamed = 0
    var abortedParts = 0

    init(_ log: SourceLog, _ random: inout SeededRandom) {
        self.log = log
        serverVersion = [130_000, 140_000, 150_018, 180_001][Int(random.next() % 4)]
        skipsEmpty = serverVersion >= 150_000
        sendsMessages = serverVersion >= 140_000
        decodingMemory = [2, 5, 20, 1_000][Int(random.next() % 4)]
    }

    var isAtEnd: Bool { visible == log.records.count }
    /// The end of the WAL.
    var position: LSN { LSN(rawValue: visible == 0 ? SourceLog.start : log.records[visible - 1].end) }

    /// More is written.
    func advance(_ count: Int) { visible = min(log.records.count, visible + count) }

    /// Is told what is done; nil where nobody wants to know.
    var tell: ((String) -> Void)?

    func confirm(_ position: LSN, saves: Bool) {
        if position > confirmed { tell?("the source is told \(position)") }
        confirmed = max(confirmed, position)
        if saves { saved = confirmed }
    }

    /// The server was not stopped in good order, and has forgotten what its slot was told last.
    func crash() { confirmed = saved }

    var described: CapturedSource {
        CapturedSource(
            systemIdentifier: "7400000000000000001", timeline: Timeline(1, history: nil), database: "shop",
            serverVersion: serverVersion, encoding: "UTF8", confirmed: confirmed,
            currentPosition: { [unowned self] in position }, isInRecovery: { false }, nudge: {},
            facts: { id in ModelTable.all.first { $0.id == id }?.facts })
    }
}

/// A connection's stream: decodes the WAL as a walsender with pgoutput does, and hands over as much as the network has.
final class ModelStream: ChangeStream {
    private let source: ModelSource
    private let start: UInt64
    private let streams: Bool
    private var random: SeededRandom
    private var taken = 0
    private var decoder = Decoder()
    private var outbox: [Output] = []
    private var sent = 0
    private var payload = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var hasEnded = false
    /// Messages that have arrived.
    var arrived = 0
    /// The connection is lost.
    var isCut = false

    private enum Output {
        case data(UInt64, [UInt8])
        case keepalive(UInt64, replyRequested: Bool)
    }

    private struct Decoder {
        struct Transaction {
            var changes: [(part: UInt32, record: Int)] = []
            var isStreamed = false
            /// The layouts that were sent in its stream.
            var layouts: Set<Int> = []
        }

        var order: [UInt32] = []
        var open: [UInt32: Transaction] = [:]
        /// The layouts that were sent outside streams.
        var layouts: Set<Int> = []
    }

    /// A stream from `start` on, as START_REPLICATION begins one.
    init(_ source: ModelSource, from start: LSN, streams: Bool, random: SeededRandom) {
        self.source = source
        self.start = max(start, source.confirmed).rawValue
        self.streams = streams
        self.random = random
    }

    deinit {
        payload.deallocate()
    }

    var socket: Int32 { -1 }
    func readSocket() {}
    func finish() { hasEnded = true }

    func next() throws(PostgresError) -> ReplicationStream.Event {
        if isCut { throw PostgresError(.connectionLost, "the connection is cut", doing: "receiving") }
        if hasEnded { return .ended }
        guard arrived > 0 else { return .nothing }
        while sent == outbox.count {
            outbox.removeAll(keepingCapacity: true)
            sent = 0
            guard taken < source.visible else { return .nothing }
            decode()
        }
        arrived -= 1
        sent += 1
        switch outbox[sent - 1] {
        case .keepalive(let end, let replyRequested):
            return .keepalive(
                walEnd: LSN(rawValue: end), serverTime: Timestamp(rawValue: 0), replyRequested: replyRequested)
        case .data(let lsn, let bytes):
            payload.deallocate()
            payload = .allocate(byteCount: bytes.count, alignment: 1)
            payload.copyBytes(from: bytes)
            return .data(
                walStart: LSN(rawValue: lsn), serverTime: Timestamp(rawValue: 0),
                payload: UnsafeRawBufferPointer(payload))
        }
    }

    /// True when everything that is there was sent.
    var isCaughtUp: Bool { sent == outbox.count && taken == source.visible }

    /// The server says how far it is.
    func keepAlive(replyRequested: Bool) {
        outbox.append(.keepalive(decoded, replyRequested: replyRequested))
    }

    /// Where the decoder is.
    private var decoded: UInt64 { taken == 0 ? SourceLog.start : source.log.records[taken - 1].end }

    func sendStatus(written: LSN, flushed: LSN, replyRequested: Bool) throws(PostgresError) {
        if isCut { throw PostgresError(.connectionLost, "the connection is cut", doing: "sending") }
        source.confirm(flushed, saves: random.next() % 3 == 0)
        if replyRequested { keepAlive(replyRequested: false) }
    }
}

// The decoder.
extension ModelStream {
    private func decode() {
        let record = source.log.records[taken]
        switch record.kind {
        case .change(_, let tables, _) where tables.isEmpty && !source.sendsMessages: break
        case .change(let part, _, _):
            if decoder.open[record.xid] == nil { decoder.order.append(record.xid) }
            decoder.open[record.xid, default: .init()].changes.append((part, taken))
            if streams { makeRoom(at: record.lsn) }
        case .message(let bytes):
            if record.lsn >= start, source.sendsMessages { outbox.append(.data(record.lsn, bytes)) }
        case .abortPart(let part):
            decoder.open[record.xid]?.changes.removeAll { $0.part == part }
            guard decoder.open[record.xid]?.isStreamed == true else { break }
            outbox.append(.data(record.lsn, Encoding.streamAbort(record.xid, part)))
            // pgoutput forgets which layouts it has sent in that transaction.
            decoder.open[record.xid]?.layouts = []
            source.abortedParts += 1
        case .abort:
            if decoder.open[record.xid]?.isStreamed == true {
                outbox.append(.data(record.lsn, Encoding.streamAbort(record.xid, record.xid)))
            }
            forget(record.xid)
        case .commit(let time):
            commit(record, time)
        }
        taken += 1
        if random.next() % 16 == 0, !outbox.isEmpty { keepAlive(replyRequested: false) }
    }

    private func forget(_ xid: UInt32) {
        decoder.open[xid] = nil
        decoder.order.removeAll { $0 == xid }
    }

    private func commit(_ record: SourceLog.Record, _ time: Int64) {
        let transaction = decoder.open[record.xid] ?? .init()
        defer { forget(record.xid) }
        guard record.lsn >= start else { return }
        guard !transaction.isStreamed else {
            streamOut(record.xid)
            let layouts = decoder.open[record.xid]?.layouts ?? []
            decoder.layouts.formUnion(layouts)
            source.streamed += 1
            return outbox.append(
                .data(record.lsn, Encoding.streamCommit(record.xid, record.lsn, end: record.end, time: time)))
        }
        if transaction.changes.isEmpty && source.skipsEmpty { return }
        let first = transaction.changes.first.map { source.log.records[$0.record].lsn } ?? record.lsn
        outbox.append(.data(first, Encoding.begin(final: record.lsn, time: time, xid: record.xid)))
        for change in transaction.changes {
            let changed = source.log.records[change.record]
            guard case .change(_, let tables, let message) = changed.kind else { continue }
            for table in tables where decoder.layouts.insert(table).inserted {
                outbox.append(.data(0, Encoding.relation(ModelTable.all[table])))
            }
            outbox.append(.data(changed.lsn, message))
            // Everything before this record was sent.
            if random.next() % 40 == 0 { keepAlive(replyRequested: false) }
        }
        outbox.append(.data(record.lsn, Encoding.commit(record.lsn, end: record.end, time: time)))
    }

    /// Sends the largest transaction when there is too much in memory.
    private func makeRoom(at lsn: UInt64) {
        guard lsn >= start, decoder.open.values.reduce(0, { $0 + $1.changes.count }) > source.decodingMemory else {
            return
        }
        let largest = decoder.order.max { left, right in
            (decoder.open[left]?.changes.count ?? 0) < (decoder.open[right]?.changes.count ?? 0)
        }
        if let largest { streamOut(largest) }
    }

    private func streamOut(_ xid: UInt32) {
        guard var transaction = decoder.open[xid], !transaction.changes.isEmpty else { return }
        outbox.append(.data(0, Encoding.streamStart(xid, isFirst: !transaction.isStreamed)))
        for change in transaction.changes {
            let changed = source.log.records[change.record]
            guard case .change(_, let tables, let message) = changed.kind else { continue }
            for table in tables where !decoder.layouts.contains(table) && transaction.layouts.insert(table).inserted {
                let layout = Encoding.relation(ModelTable.all[table])
                outbox.append(.data(0, Encoding.streamed(layout, change.part)))
            }
            outbox.append(.data(changed.lsn, Encoding.streamed(message, change.part)))
        }
        outbox.append(.data(0, Encoding.streamStop()))
        transaction.changes = []
        transaction.isStreamed = true
        decoder.open[xid] = transaction
    }
}
