import PgOutput
import Postgres
import Selection
import Spool

/// Counts what happens in a log: by table, by minute, and the transactions that stand out.
///
/// Only what committed is counted. Memory grows with the number of tables and of minutes, not with that of changes.
public struct LogStatistics {
    /// Changes of one kind each.
    public typealias Counts = SegmentFooter.Counts

    /// What committed in one minute.
    public struct Minute: Sendable, Equatable {
        /// Transactions.
        public var transactions = 0
        /// Their changes.
        public var counts = Counts()
        /// Bytes of their records.
        public var bytes: UInt64 = 0
    }

    /// A transaction that stands out.
    public struct Outstanding: Sendable, Equatable {
        /// The transaction with its counts.
        public var transaction: LogTransaction
        /// Where it ends.
        public var end: LSN
        /// Microseconds from its first change to its commit, at most: counted from the last commit of another
        /// transaction before that change. Nil when the log does not reach back so far.
        public var duration: Int64?
    }

    /// Transactions committed; nil when a table was left out and the counts come from footers.
    public private(set) var transactions: Int? = 0
    /// Changes by table, as `schema.table`.
    public private(set) var tables: [String: Counts] = [:]
    /// By the minute of the commit time: minutes since 2000-01-01 00:00 UTC.
    public private(set) var minutes: [Int64: Minute] = [:]
    /// The transactions with the most changes, the largest first.
    public private(set) var largest: [Outstanding] = []
    /// The transactions that took longest, the longest first.
    public private(set) var longest: [Outstanding] = []
    /// Segments whose footer said all.
    public private(set) var segmentsByFooter = 0

    private let limit: Int
    private let countsMinutes: Bool
    private let selection: Selection
    private var pending: [UInt32: Counts] = [:]
    private var clock = CommitClock()

    /// Counters.
    ///
    /// - Parameters:
    ///   - limit: how many transactions to name.
    ///   - countsMinutes: count by minute too.
    public init(selection: Selection = Selection(), limit: Int = 0, countsMinutes: Bool = false) {
        self.selection = selection
        self.limit = limit
        self.countsMinutes = countsMinutes
    }

    /// Counts a whole segment by its footer. False when the footer does not say enough.
    public mutating func take(_ footer: SegmentFooter) -> Bool {
        guard limit == 0, !countsMinutes else { return false }
        var found: [(String, Counts)] = []
        for (name, counts) in footer.relations {
            guard let selected = selected(counts, of: name) else { return false }
            if selected.total > 0 { found.append((name, selected)) }
        }
        for (name, counts) in found { tables[name, default: Counts()].add(counts) }
        let isAll = selection.includesAllTables && selection.operations == .all
        transactions = isAll ? transactions.map { $0 + footer.transactions } : nil
        segmentsByFooter += 1
        return true
    }

    /// Nil when the name may be read in several ways.
    private func selected(_ counts: Counts, of name: String) -> Counts? {
        if !selection.includesAllTables {
            let parts = name.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            guard selection.includesData(schema: String(parts[0]), table: String(parts[1])) else { return Counts() }
        }
        var selected = Counts()
        if selection.operations.contains(.insert) { selected.insert = counts.insert }
        if selection.operations.contains(.update) { selected.update = counts.update }
        if selection.operations.contains(.delete) { selected.delete = counts.delete }
        if selection.operations.contains(.truncate) { selected.truncate = counts.truncate }
        return selected
    }

    /// Counts what a walk meets.
    public mutating func take(_ event: LogEvent, _ layouts: Layouts) {
        switch event {
        case .begin: pending.removeAll(keepingCapacity: true)
        case .change(let message, _, _, _): count(message, layouts)
        case .commit(let commit, let transaction): finish(commit, transaction, layouts)
        case .segment, .other, .unfinished, .watermark, .end: break
        }
    }

    private mutating func count(_ message: Message, _ layouts: Layouts) {
        switch message {
        case .insert(let id, _): pending[id, default: Counts()].insert += 1
        case .update(let id, _, _): pending[id, default: Counts()].update += 1
        case .delete(let id, _): pending[id, default: Counts()].delete += 1
        case .truncate(let truncate):
            for id in truncate.relations where layouts.isSelected(id) == true {
                pending[id, default: Counts()].truncate += 1
            }
        default: break
        }
    }

    private mutating func finish(_ commit: Message.Commit, _ transaction: LogTransaction, _ layouts: Layouts) {
        defer { clock.add(commit.endLSN, commit.commitTime) }
        let isAll = selection.includesAllTables && selection.operations == .all
        guard isAll || !pending.isEmpty else { return }
        transactions = transactions.map { $0 + 1 }
        var sum = Counts()
        for (id, counts) in pending {
            let relation = layouts.relation(id)
            let name = relation.map { "\($0.namespace).\($0.name)" } ?? "OID \(id)"
            tables[name, default: Counts()].add(counts)
            sum.add(counts)
        }
        if countsMinutes {
            // Rounded down, also before 2000.
            let microseconds = commit.commitTime.rawValue
            let number = microseconds >= 0 ? microseconds / 60_000_000 : (microseconds - 59_999_999) / 60_000_000
            var minute = minutes[number] ?? Minute()
            minute.transactions += 1
            minute.counts.add(sum)
            minute.bytes += transaction.bytes
            minutes[number] = minute
        }
        guard limit > 0 else { return }
        let start = transaction.firstChange.flatMap { clock.time(before: $0) }
        let it = Outstanding(
            transaction: transaction, end: commit.endLSN,
            duration: start.map { max(0, commit.commitTime.rawValue - $0.rawValue) })
        LogStatistics.insert(it, into: &largest, limit) { $0.transaction.changes > $1.transaction.changes }
        guard it.duration != nil else { return }
        LogStatistics.insert(it, into: &longest, limit) { $0.duration ?? 0 > $1.duration ?? 0 }
    }

    private static func insert(
        _ item: Outstanding, into list: inout [Outstanding], _ limit: Int,
        isBefore: (Outstanding, Outstanding) -> Bool
    ) {
        if list.count >= limit, let last = list.last, !isBefore(item, last) { return }
        let place = list.firstIndex { isBefore(item, $0) } ?? list.count
        list.insert(item, at: place)
        if list.count > limit { list.removeLast() }
    }
}
