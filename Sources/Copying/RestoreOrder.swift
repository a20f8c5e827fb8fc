/// An archive's entries, pass by pass. Each pass needs only what the passes before it made.
///
/// pg_dump moves some definitions to after the keys, such as a materialized view that is grouped by a primary key. What
/// depends on one of them comes later, too:
///
/// ```
/// TABLE t ── CONSTRAINT t_pkey ── MATERIALIZED VIEW mv ─┬─ INDEX mv_id
/// before     keys                 rest                  └─ FUNCTION f(mv)
///                                                          rest, both
/// ```
package struct RestoreOrder: Sendable {
    package typealias Entry = ArchiveContents.Entry

    /// What is made before the rows are copied.
    package private(set) var before: [Entry] = []
    /// Indexes, and the constraints that an index belongs to.
    package private(set) var keys: [Entry] = []
    /// What has no other pass.
    package private(set) var rest: [Entry] = []
    /// What rows may make fail: foreign keys, and then what fills materialized views, which pg_restore does after all else.
    package private(set) var checked: [Entry] = []
    /// Event triggers and default privileges, which would act on what is made after them.
    package private(set) var last: [Entry] = []

    /// - Parameter waiting: keys that have to wait for another reason than their dependencies, by their numbers.
    init(_ entries: [Entry] = [], waiting: Set<Int> = []) {
        let late = Self.late(of: entries, waiting: waiting)
        var passes: [Int: WritableKeyPath<RestoreOrder, [Entry]>] = [:]
        for entry in entries {
            let pass = entry.isAddition ? entry.dependencies.lazy.compactMap { passes[$0] }.first : nil
            let chosen = pass ?? Self.pass(of: entry, isLate: late.contains(entry.id))
            passes[entry.id] = chosen
            self[keyPath: chosen].append(entry)
        }
    }

    private static func pass(of entry: Entry, isLate: Bool) -> WritableKeyPath<RestoreOrder, [Entry]> {
        if entry.isKey { return isLate ? \.rest : \.keys }
        if entry.isForeignKey || entry.isRefresh { return \.checked }
        if entry.isEventTrigger || entry.isDefaultPrivilege { return \.last }
        return isLate ? \.rest : \.before
    }

    /// A key, and the comments on it.
    func whole(_ key: Entry) -> [Entry] {
        keys.filter { $0.id == key.id || $0.isAddition && $0.dependencies.contains(key.id) }
    }

    /// The keys without some that are begun already, and apart from these what needs one that is, and so has to wait until
    /// it is there: the index of a partition is attached then.
    package func keys(without begun: Set<Int>) -> (now: [Entry], later: [Entry]) {
        var waitsFor = begun
        var result: (now: [Entry], later: [Entry]) = ([], [])
        for entry in keys where !begun.contains(entry.id) {
            // What is only said of a key was made with it.
            if entry.isAddition && entry.dependencies.contains(where: { begun.contains($0) }) { continue }
            if entry.dependencies.contains(where: { waitsFor.contains($0) }) {
                waitsFor.insert(entry.id)
                result.later.append(entry)
            } else {
                result.now.append(entry)
            }
        }
        return result
    }

    /// What comes after the keys: what pg_dump has there, and all that depends on it, be it through other objects.
    ///
    /// An index of a partition is dropped with the partitioned table's, so that all indexes of such a tree come together.
    private static func late(of entries: [Entry], waiting: Set<Int>) -> Set<Int> {
        let keys = Set(entries.filter(\.isKey).map(\.id))
        let attachments = entries.filter(\.isIndexAttachment)
        var late = waiting.union(entries.filter { $0.isAfterRows && !$0.isKey && !$0.isAddition }.map(\.id))
        var count = -1
        while count != late.count {
            count = late.count
            for entry in entries where !late.contains(entry.id) && !entry.isAddition {
                // What is no key comes after those that it needs.
                let isKey = keys.contains(entry.id)
                if entry.dependencies.contains(where: { late.contains($0) || !isKey && keys.contains($0) }) {
                    late.insert(entry.id)
                }
            }
            for attachment in attachments {
                let tree = [attachment.id] + attachment.dependencies.filter { keys.contains($0) }
                if tree.contains(where: { late.contains($0) }) { late.formUnion(tree) }
            }
        }
        return late
    }
}
