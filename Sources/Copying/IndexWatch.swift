import Catalog
import Postgres
import Threading

/// Looks at the target while indexes are made there, from a thread of its own. What it cannot see is not shown; it never
/// stops anything.
package final class IndexWatch {
    private let stopping = StopRequest()
    private let worker: Worker?
    private static let intervalMilliseconds = 1_000

    /// - Parameter isWhole: all indexes of the source come to the target.
    package init(_ servers: ServerPair, isWhole: Bool, _ progress: CloneProgress) {
        let stopping = stopping
        worker = Worker.start(name: "index watch") {
            guard let source = try? Connection(servers.source, applicationName: DatabaseSession.applicationName),
                let total = try? Self.number(Self.total, on: source),
                let target = try? Connection(servers.target, applicationName: DatabaseSession.applicationName)
            else { return }
            while true {
                guard let done = try? Self.number(Self.total, on: target) else { return }
                let current = (try? target.execute(Self.current(target.serverVersion), doing: "watching")).map {
                    result in
                    result.column()
                }
                progress.note(.init(total: isWhole ? total : nil, done: done, current: current ?? []))
                if stopping.isRequested { return }
                _ = Polling.wait(stopping.descriptor, until: .after(milliseconds: Self.intervalMilliseconds))
            }
        }
    }

    /// Ends, after a last look.
    package func end() {
        stopping.request()
        worker?.join()
    }

    private static func number(_ sql: String, on connection: Connection) throws -> Int {
        try connection.execute(sql, doing: "watching").text(0, 0).flatMap { Int($0) } ?? 0
    }

    private static let total = """
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indisvalid AND c.relpersistence <> 't' AND \(UserObject.namespace)
        """

    private static func current(_ version: Int) -> String {
        // An index has no name for others before its transaction commits; other roles' rows show only that they are there.
        let progress = """
            SELECT coalesce(i.relname || ' on ', 'one on ') || coalesce(c.relname, 'a table')
                   || CASE WHEN p.blocks_total > 0 AND p.phase ~ 'scanning'
                           THEN pg_catalog.format(', %s %%', 100 * p.blocks_done / p.blocks_total)
                           WHEN p.tuples_total > 0 AND p.phase ~ 'loading'
                           THEN pg_catalog.format(', loading %s %%', 100 * p.tuples_done / p.tuples_total)
                           ELSE '' END
              FROM pg_catalog.pg_stat_progress_create_index p
              LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relid
              LEFT JOIN pg_catalog.pg_class i ON i.oid = p.index_relid
             WHERE p.datname = pg_catalog.current_database() ORDER BY p.pid
            """
        return version >= 120_000 ? progress : "SELECT 1 WHERE false"
    }
}
