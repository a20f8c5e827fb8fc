import Catalog
import Failpoints
import Postgres
import Threading

/// Makes the indexes and keys of large tables while other tables are still being copied: by then one of the servers, or
/// the way between them, has something to spare.
///
/// An index over expressions or of some rows only waits for the rest: what it calls may look at other tables. Nobody
/// waits here for the copy's snapshot, and the snapshot is not kept for what is done here.
package final class EarlyKeys: @unchecked Sendable {
    /// An index or a constraint.
    package struct Key {
        package var table: UInt32
        package var entry: ArchiveContents.Entry
    }

    private let condition = Condition()
    // What follows is looked at and changed only under the condition's lock.
    private var keys: [UInt32: [Key]]
    private var waiting: [Key] = []
    private var underWay: [Key] = []
    private var begun: Set<Int> = []
    private var isClosed = false
    private var failure: (any Error)?

    private let stop: StopRequest
    private let make: @Sendable (ArchiveContents.Entry) throws -> Void
    private var threads: [Worker] = []

    /// - Parameters:
    ///   - keys: what each table gets, by its object id on the source.
    ///   - jobs: how many are made at once.
    ///   - stop: asked for when one fails.
    ///   - make: makes one; on a thread of its own.
    package init(
        _ keys: [UInt32: [Key]], jobs: Int, stop: StopRequest,
        make: @escaping @Sendable (ArchiveContents.Entry) throws -> Void
    ) {
        self.keys = keys
        self.stop = stop
        self.make = make
        guard !keys.isEmpty else { return }
        threads = (0..<jobs).compactMap { _ in Worker.start(name: "index") { [self] in run() } }
    }

    /// All rows of a table are on the target.
    package func offer(_ table: UInt32) {
        change { waiting += keys.removeValue(forKey: table) ?? [] }
    }

    /// Begins no more of them. Returns the numbers in the archive of those that are made, or are being made.
    package func close() -> Set<Int> {
        change {
            isClosed = true
            return begun
        }
    }

    /// Waits until those that were begun are there.
    ///
    /// - Throws: what one of them failed with.
    package func finish() throws {
        _ = close()
        for thread in threads { thread.join() }
        if let failure = condition.locked({ failure }) { throw failure }
    }

    private func change<Result>(_ body: () -> Result) -> Result {
        condition.locked {
            defer { condition.signalAll() }
            return body()
        }
    }

    private func run() {
        while let key = next() {
            do {
                try make(key.entry)
                Failpoint.afterEarlyKey.reach()
                change { underWay.removeAll { $0.entry.id == key.entry.id } }
            } catch {
                change {
                    isClosed = true
                    if failure == nil { failure = error }
                }
                stop.requestAfterFailure()
            }
        }
    }

    /// It would not only wait for a lock: a constraint needs the table for itself, indexes can be made side by side.
    private func canBegin(_ key: Key) -> Bool {
        !underWay.contains { $0.table == key.table && ($0.entry.isConstraint || key.entry.isConstraint) }
    }

    private func next() -> Key? {
        condition.locked {
            while !isClosed {
                if let index = waiting.firstIndex(where: canBegin) {
                    let key = waiting.remove(at: index)
                    underWay.append(key)
                    begun.insert(key.entry.id)
                    return key
                }
                condition.wait()
            }
            return nil
        }
    }
}

extension EarlyKeys {
    /// What of an archive can be made as soon as its table has its rows.
    ///
    /// - Parameters:
    ///   - tables: those that are large enough for it.
    ///   - source: sees what the archive is of.
    package static func keys(
        of archive: SchemaArchive, tables: [CopiedTable], on source: Connection
    ) throws -> [UInt32: [Key]] {
        guard !tables.isEmpty else { return [:] }
        let wanted = Set(tables.map(\.oid))
        let owners = try addresses(query, on: source).filter { wanted.contains($0.value) }
        var keys: [UInt32: [Key]] = [:]
        for entry in archive.order.keys {
            guard let table = owners[entry.address] else { continue }
            keys[table, default: []].append(Key(table: table, entry: entry))
        }
        return keys
    }

    /// Indexes of which each asks for more of its table's lock once it is there, together with another one of the table:
    /// made at the same time, they wait for each other. (pg_dump writes CLUSTER ON and REPLICA IDENTITY behind them.)
    package static func late(of entries: [ArchiveContents.Entry], on source: Connection) throws -> Set<Int> {
        let clustered = try addresses(lateQuery, on: source)
        guard !clustered.isEmpty else { return [] }
        return Set(entries.filter { clustered[$0.address] != nil }.map(\.id))
    }

    /// The tables of indexes and constraints.
    private static func addresses(
        _ query: String, on source: Connection
    ) throws -> [SourceObjects.Address: UInt32] {
        let result = try source.execute(query, doing: "listing the indexes of the tables")
        var tables: [SourceObjects.Address: UInt32] = [:]
        for index in 0..<result.rowCount {
            let row = result.row(index).map { $0.flatMap { UInt32($0) } }
            guard let catalog = row[0], let oid = row[1], let table = row[2] else { continue }
            tables[.init(catalog: catalog, oid: oid)] = table
        }
        return tables
    }

    /// Indexes by themselves, and those that belong to a constraint.
    private static let query = """
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, i.indrelid
          FROM pg_catalog.pg_index i
         WHERE i.indexprs IS NULL AND i.indpred IS NULL
           AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = i.indexrelid
                              AND c.contype IN ('p', 'u', 'x'))
        UNION ALL
        SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass::pg_catalog.oid, c.oid, c.conrelid
          FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_index i ON i.indexrelid = c.conindid
         WHERE c.contype IN ('p', 'u', 'x') AND i.indexprs IS NULL AND i.indpred IS NULL
        """

    /// The index in whose order a table lies, where another one is its replica identity.
    private static let lateQuery = """
        SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid, i.indrelid
          FROM pg_catalog.pg_index i
         WHERE i.indisclustered AND NOT i.indisreplident AND i.indexrelid >= 16384
           AND EXISTS (SELECT FROM pg_catalog.pg_index r WHERE r.indrelid = i.indrelid AND r.indisreplident)
        """
}
