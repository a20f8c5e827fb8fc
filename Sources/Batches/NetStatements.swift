import PgOutput

/// Writes the net effect of many transactions: for each table with a key, what became of each row, as few set-based
/// statements (docs/batch-format.md, "Net changes").
///
/// The messages of the open transaction are kept as they came, and join the net effect at its commit. So a transaction
/// that is cut off leaves nothing behind. What cannot be netted (tables without a key, TRUNCATE, comments) is written in
/// order, between the net effects of what came before and after it.
final class NetStatements: StatementStrategy {
    /// The transaction being read: frames of `u32 kind or plan, u32 length, bytes`.
    private let open = TextBuffer(capacity: 64 << 10)
    private var openPlans: [TablePlan] = []
    private var openIndexes: [ObjectIdentifier: UInt32] = [:]
    private var isOpen = false
    /// Where everything is written to. It sees committed transactions only.
    private let ordered: OrderedStatements
    private let writer: NetWriter
    private let lanes: Int
    /// The tables that had a layout already: another one may divide their rows into lanes otherwise.
    private var knownNames: Set<String> = []
    /// By the source's OID.
    private var tables: [UInt32: NetTable] = [:]
    /// The tables that hold something, in the order in which they were first touched.
    private var touched: [NetTable] = []
    private var lastTable: NetTable?
    private var netBytes = 0

    /// Text is handed out in parts of about this size, in bytes.
    private static let partBytes = 1 << 20
    private enum Frame {
        static let truncate = UInt32.max
        static let comment = UInt32.max - 1
        static let layout = UInt32.max - 2
    }

    init(maxRunRows: Int, maxRunBytes: Int, lanes: Int = 1) {
        self.lanes = lanes
        ordered = OrderedStatements(maxRunRows: maxRunRows, maxRunBytes: maxRunBytes, lanes: lanes)
        writer = NetWriter(text: ordered.text, large: ordered.large, lanes: lanes)
    }

    var byteCount: Int { open.count + netBytes + ordered.byteCount }
    var hasCompleted: Bool { !touched.isEmpty || ordered.hasCompleted }

    func begin() {
        isOpen = true
        forgetOpen()
    }

    func rollback() throws(BatchError) {
        isOpen = false
        // The renderer knows the layouts now, and will not hand them over again.
        try foldOpen { $0 == Frame.layout }
    }

    func commit() throws(BatchError) {
        isOpen = false
        try foldOpen()
    }

    func insert(_ table: TablePlan, _ new: Tuple, message: UnsafeRawBufferPointer) throws(BatchError) {
        try RowWriter.check(table, new)
        keep(table, message)
    }

    func update(
        _ table: TablePlan, old: Message.OldTuple?, new: Tuple, message: UnsafeRawBufferPointer
    ) throws(BatchError) {
        _ = try OrderedStatements.identifyingTuple(table, old: old, new: new)
        try RowWriter.check(table, new, allowsUnchanged: true)
        keep(table, message)
    }

    func delete(
        _ table: TablePlan, old: Message.OldTuple, message: UnsafeRawBufferPointer
    ) throws(BatchError) {
        _ = try OrderedStatements.identifyingTuple(table, old: old, new: old.tuple)
        keep(table, message)
    }

    func layout(_ table: TablePlan) throws(BatchError) {
        open.append(fixed: Frame.layout)
        open.append(fixed: 4 as UInt32)
        open.append(fixed: index(of: table))
        if !isOpen { try foldOpen() }
    }

    func truncate(_ tables: [TablePlan], cascade: Bool, restartIdentity: Bool) throws(BatchError) {
        open.append(fixed: Frame.truncate)
        open.append(fixed: UInt32(truncatingIfNeeded: 2 + tables.count * 4))
        open.append(cascade ? 1 as UInt8 : 0)
        open.append(restartIdentity ? 1 as UInt8 : 0)
        for table in tables { open.append(fixed: index(of: table)) }
    }

    func comment(_ line: UnsafeRawBufferPointer) throws(BatchError) {
        open.append(fixed: Frame.comment)
        open.append(fixed: UInt32(truncatingIfNeeded: line.count))
        open.append(line)
        if !isOpen { try foldOpen() }
    }

    func takeCompleted(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try drain(body)
    }

    func takeAll(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try foldOpen()
        try takeCompleted(body)
    }

    /// Writes out every table's net effect and hands the text on, in parts.
    private func drain(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for table in touched {
            try writeOut(table)
            guard ordered.text.count >= NetStatements.partBytes else { continue }
            ordered.commit()
            try ordered.takeCompleted(body)
        }
        touched.removeAll(keepingCapacity: true)
        ordered.commit()
        try ordered.takeCompleted(body)
    }
}

// The open transaction.
extension NetStatements {
    private func keep(_ table: TablePlan, _ message: UnsafeRawBufferPointer) {
        open.append(fixed: index(of: table))
        open.append(fixed: UInt32(truncatingIfNeeded: message.count))
        open.append(message)
    }

    private func index(of table: TablePlan) -> UInt32 {
        if let last = openPlans.last, last === table { return UInt32(truncatingIfNeeded: openPlans.count - 1) }
        if let index = openIndexes[ObjectIdentifier(table)] { return index }
        let index = UInt32(truncatingIfNeeded: openPlans.count)
        openPlans.append(table)
        openIndexes[ObjectIdentifier(table)] = index
        return index
    }

    private func forgetOpen() {
        open.clear()
        openPlans.removeAll(keepingCapacity: openPlans.count < 1024)
        openIndexes.removeAll(keepingCapacity: openIndexes.count < 1024)
    }

    private func foldOpen(where isWanted: (UInt32) -> Bool = { _ in true }) throws(BatchError) {
        guard open.count > 0 else { return }
        ordered.begin()
        let bytes = open.bytes
        var offset = 0
        while offset < bytes.count {
            let kind = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
            let length = Int(bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self))
            let content = UnsafeRawBufferPointer(rebasing: bytes[offset + 8..<offset + 8 + length])
            offset += 8 + length
            guard isWanted(kind) else { continue }
            switch kind {
            case Frame.comment: try ordered.comment(content)
            case Frame.truncate: try foldTruncate(content)
            case Frame.layout: try foldLayout(openPlans[Int(content.loadUnaligned(as: UInt32.self))])
            default: try fold(openPlans[Int(kind)], content)
            }
        }
        ordered.commit()
        forgetOpen()
    }

    private func foldTruncate(_ content: UnsafeRawBufferPointer) throws(BatchError) {
        // With CASCADE the target may empty more tables than the source names.
        for table in touched { try writeOut(table) }
        touched.removeAll(keepingCapacity: true)
        let plans = stride(from: 2, to: content.count, by: 4).map { offset in
            openPlans[Int(content.loadUnaligned(fromByteOffset: offset, as: UInt32.self))]
        }
        try ordered.truncate(plans, cascade: content[0] != 0, restartIdentity: content[1] != 0)
    }

    /// What was held under the table's earlier layout comes before what follows. So does what is held for another table
    /// of the same name: one was renamed and the other took its place, and the target knows one name only.
    private func foldLayout(_ plan: TablePlan) throws(BatchError) {
        for table in touched where table.plan.name == plan.name || table.plan.relation.id == plan.relation.id {
            try settle(table)
        }
        if !knownNames.insert(plan.name).inserted { try ordered.barrier() }
        tables[plan.relation.id] = nil
        lastTable = nil
    }

    private func fold(_ plan: TablePlan, _ bytes: UnsafeRawBufferPointer) throws(BatchError) {
        let message: Message
        do throws(PgOutputError) { message = try Message(decoding: bytes) } catch { throw BatchError(error, lsn: nil) }
        guard plan.canNet else { return try pass(plan, message, bytes) }
        let table = netTable(plan)
        let before = table.byteCount
        let isNetted =
            switch message {
            case .insert(_, let new): table.insert(new)
            case .update(_, let old, let new): table.update(old: old, new: new)
            case .delete(_, let old): table.delete(old.tuple)
            default: false
            }
        netBytes += table.byteCount - before
        if isNetted {
            if before == 0 { touched.append(table) }
        } else {
            try settle(table)
            // Its row, or its two keys, may belong to several lanes.
            try ordered.barrier()
            try pass(plan, message, bytes)
        }
    }

    /// Writes a change as it came.
    private func pass(_ plan: TablePlan, _ message: Message, _ bytes: UnsafeRawBufferPointer) throws(BatchError) {
        switch message {
        case .insert(_, let new): try ordered.insert(plan, new, message: bytes)
        case .update(_, let old, let new): try ordered.update(plan, old: old, new: new, message: bytes)
        case .delete(_, let old): try ordered.delete(plan, old: old, message: bytes)
        default: break
        }
    }
}

// The net effects.
extension NetStatements {
    private func netTable(_ plan: TablePlan) -> NetTable {
        if let lastTable, lastTable.plan === plan { return lastTable }
        let table = tables[plan.relation.id].flatMap { $0.plan === plan ? $0 : nil } ?? NetTable(plan, lanes: lanes)
        tables[plan.relation.id] = table
        lastTable = table
        return table
    }

    /// Writes out what is held of `table`, so that something can follow it.
    private func settle(_ table: NetTable) throws(BatchError) {
        try writeOut(table)
        touched.removeAll { $0 === table }
    }

    private func writeOut(_ table: NetTable) throws(BatchError) {
        guard !table.entries.isEmpty else { return }
        try ordered.closeRun()
        try writer.write(table)
        netBytes -= table.byteCount
        table.clear()
    }
}
