import Glibc
import PgOutput

/// The names under which tables have come so far, and those that are not written down yet.
package struct RelationNames: Sendable {
    private var known: Set<NamedRelation>
    private var last: [UInt32: NamedRelation] = [:]
    private var unwritten: [UInt8] = []
    /// Bytes of all lines.
    private var size: Int
    /// A document of `state/` that is larger than twice this is not read any more.
    private static let sizeMax = 32 << 20

    /// There is no room for more names: tables that are renamed from now on are not found by them.
    package var isFull: Bool { size >= Self.sizeMax }

    /// Continues with those that a spool has.
    package init(_ spool: SpoolDirectory) throws(SpoolError) {
        let bytes = try spool.state(NamedRelation.file) ?? []
        size = bytes.count
        let all = NamedRelation.decoded(bytes)
        known = Set(all)
        for one in all { last[one.relation] = one }
    }

    /// Takes note of what a Relation message says.
    ///
    /// - Returns: what the table was called when it came last, if its name is another now, or its columns' are.
    package mutating func note(_ relation: Relation) -> NamedRelation? {
        let now = NamedRelation(relation)
        let before = last.updateValue(now, forKey: now.relation)
        if !isFull, known.insert(now).inserted {
            let line = JSON.encode(now) + [UInt8(ascii: "\n")]
            unwritten += line
            size += line.count
        }
        guard let before else { return nil }
        // One that was added or dropped is no other name.
        let hasSameColumns = before.hasColumns(among: now.columns) || now.hasColumns(among: before.columns)
        return now.isCalled(before.schema, before.table) && hasSameColumns ? nil : before
    }

    /// The lines that are not written down yet; nil when there are none. They are the caller's now.
    package mutating func takeUnwritten() -> [UInt8]? {
        guard !unwritten.isEmpty else { return nil }
        defer { unwritten = [] }
        return unwritten
    }
}

/// `state/relations.jsonl`, as ``NamedRelation`` describes it, for the one who writes to it.
package final class RelationNamesFile: Sendable {
    private let path: String
    private let descriptor: Int32
    /// Used by one thread at a time.
    nonisolated(unsafe) private var size: UInt64
    nonisolated(unsafe) private var isSynced = true

    /// Opens the file, and makes it on first use. What a crash left of a line is cut off.
    package init(_ spool: SpoolDirectory) throws(SpoolError) {
        path = spool.statePath + "/" + NamedRelation.file
        let bytes = try spool.state(NamedRelation.file)
        size = UInt64(bytes.map { ($0.lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1 } ?? 0)
        descriptor = try FileSystem.create(path, flags: O_WRONLY)
        FileSystem.takeBack(descriptor, to: size)
        if bytes == nil { try FileSystem.syncDirectory(spool.statePath) }
    }

    deinit { close(descriptor) }

    /// Appends whole lines, or nothing.
    package func append(_ lines: [UInt8]) throws(SpoolError) {
        isSynced = false
        do throws(SpoolError) {
            try lines.withBytes { all throws(SpoolError) in
                try FileSystem.write(all, to: descriptor, file: path)
            }
        } catch {
            FileSystem.takeBack(descriptor, to: size)
            throw error
        }
        size += UInt64(lines.count)
    }

    /// Makes durable what was appended.
    package func sync() throws(SpoolError) {
        guard !isSynced else { return }
        try FileSystem.syncData(descriptor, file: path)
        isSynced = true
    }
}
