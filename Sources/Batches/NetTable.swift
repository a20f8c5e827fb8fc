import Glibc
import PgOutput

/// The net effect of a batch's changes on one table: for each key that was touched, what is to be done to its row.
///
/// Keys and rows are copied into one buffer. An entry's row is overwritten in place when the next one is no longer, so
/// that a row which is changed again and again takes no more room than once. Entries stay in the order in which their
/// keys were first touched.
final class NetTable {
    /// What is to be done about one key.
    struct Entry {
        var hash: UInt64
        var state: NetState
        /// Who applies what becomes of the row; see ``Lane``.
        var lane: UInt8 = 0
        /// The row has values that were not sent and are not known from earlier changes.
        var hasUnchanged = false
        var key: Range<Int>
        /// Where the new row is; of no meaning where the state has none.
        var row: Range<Int>
        /// The room at `row`, in bytes.
        var rowCapacity: Int
    }

    /// The layout that the keys and rows have.
    let plan: TablePlan
    private let lanes: Int
    private(set) var entries: ContiguousArray<Entry> = []
    private let storage = TextBuffer(capacity: 1 << 10)
    /// Indexes into `entries`, by hash; -1 where there is none. The count is a power of two.
    private var slots: ContiguousArray<Int32> = []
    /// A row that is put together from two.
    private let merged = TextBuffer(capacity: 256)
    /// A key that is put together from several columns.
    let keyBuffer = TextBuffer(capacity: 256)

    init(_ plan: TablePlan, lanes: Int = 1) {
        self.plan = plan
        self.lanes = lanes
    }

    /// The memory that is in use, in bytes.
    var byteCount: Int {
        storage.count + entries.count * (MemoryLayout<Entry>.stride + 2 * MemoryLayout<Int32>.stride)
    }

    /// The bytes of an entry's key.
    func key(_ entry: Entry) -> UnsafeRawBufferPointer { storage.bytes(entry.key) }

    /// An entry's new row.
    func row(_ entry: Entry) -> Tuple {
        Tuple(checked: storage.bytes(entry.row), columnCount: plan.columns.count)
    }

    /// The index of the key's entry, which is made if there is none.
    func entry(_ key: UnsafeRawBufferPointer) -> Int {
        if (entries.count + 1) * 2 > slots.count { growSlots() }
        let hash = Lane.hash(key, seed: NetTable.seed)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if entries[index].hash == hash, storage.bytes(entries[index].key).hasSameBytes(as: key) { return index }
            slot = (slot + 1) & mask
        }
        let start = storage.count
        storage.append(key)
        slots[slot] = Int32(truncatingIfNeeded: entries.count)
        var entry = Entry(hash: hash, state: .none, key: start..<storage.count, row: start..<start, rowCapacity: 0)
        if lanes > 1 {
            entry.lane = UInt8(truncatingIfNeeded: Lane.of(key, seed: plan.laneSeed, count: lanes))
        }
        entries.append(entry)
        return entries.count - 1
    }

    func setState(_ index: Int, _ state: NetState) {
        entries[index].state = state
    }

    /// Makes `new` the entry's row.
    func setRow(_ index: Int, _ new: Tuple, hasUnchanged: Bool) {
        let length = new.bytes.count
        if length > entries[index].rowCapacity {
            // A row that grows a little each time (a counter) must not leave its old place behind each time.
            let capacity = entries[index].rowCapacity == 0 ? length : length + length / 4
            let start = storage.count
            storage.append(new.bytes)
            storage.appendRoom(capacity - length)
            entries[index].row = start..<start + length
            entries[index].rowCapacity = capacity
        } else {
            let start = entries[index].row.lowerBound
            storage.overwrite(at: start, new.bytes)
            entries[index].row = start..<start + length
        }
        entries[index].hasUnchanged = hasUnchanged
    }

    /// `new`, with each value that was not sent taken from `old`; valid until the next call.
    func merge(_ new: Tuple, over old: Tuple) -> (row: Tuple, hasUnchanged: Bool) {
        merged.clear()
        var newColumns = new.columns
        var oldColumns = old.columns
        var hasUnchanged = false
        while let value = newColumns.next() {
            let before = oldColumns.next()
            if case .unchanged = value, let before {
                if case .unchanged = before { hasUnchanged = true }
                merged.append(column: before)
            } else {
                merged.append(column: value)
            }
        }
        return (Tuple(checked: merged.bytes, columnCount: new.columnCount), hasUnchanged)
    }

    /// Forgets everything.
    func clear() {
        entries.removeAll(keepingCapacity: entries.count <= 1 << 12)
        storage.clear(keeping: 1 << 20)
        if slots.count <= 1 << 13 {
            for index in slots.indices { slots[index] = -1 }
        } else {
            slots = []
        }
    }

    private func growSlots() {
        let count = max(16, slots.count * 2)
        slots = ContiguousArray(repeating: -1, count: count)
        let mask = count - 1
        for (index, entry) in entries.enumerated() {
            var slot = Int(truncatingIfNeeded: entry.hash) & mask
            while slots[slot] >= 0 { slot = (slot + 1) & mask }
            slots[slot] = Int32(truncatingIfNeeded: index)
        }
    }

    /// Differs from run to run, so that no source can choose keys that all collide.
    private static let seed = UInt64.random(in: 0...UInt64.max)
}
