import Catalog
import Logging
import Observability
import Postgres

/// The target's materialized views, whose contents no change of the source brings.
package struct MaterializedViews {
    /// One of them.
    package struct View: Equatable {
        package var oid: String
        /// Schema and name, as SQL writes them.
        package var name: String
        /// The session's role may refresh it.
        package var isOurs: Bool
        /// It can be refreshed while others read it.
        package var isReadable = false
    }

    /// Those that have contents, each behind those that it reads, be it through other views.
    package let views: [View]
    /// What each view, materialized or not, reads directly, by object ids.
    private let reads: [String: [String]]

    /// Reads them, and what they depend on. What a function reads, the server does not know.
    ///
    /// - Parameter unfilled: further ones, named as SQL writes them, that should have contents.
    package init(on connection: Connection, unfilled: [String] = []) throws {
        let doing = "listing the materialized views"
        let found = try connection.execute(Self.viewsQuery, doing: doing)
        let all = (0..<found.rowCount).compactMap { index -> View? in
            guard let oid = found.text(index, 0), let schema = found.text(index, 1), let name = found.text(index, 2)
            else { return nil }
            let qualified = Quoting.qualified(schema, name)
            guard found.text(index, 4) == "t" || unfilled.contains(qualified) else { return nil }
            return View(
                oid: oid, name: qualified, isOurs: found.text(index, 3) == "t", isReadable: found.text(index, 5) == "t")
        }
        let uses = try connection.execute(Self.usesQuery, doing: doing)
        var reads: [String: [String]] = [:]
        for index in 0..<uses.rowCount {
            guard let reader = uses.text(index, 0), let read = uses.text(index, 1) else { continue }
            reads[reader, default: []].append(read)
        }
        self.reads = reads
        views = Self.ordered(all, reads: reads)
    }

    /// The names of those that have contents.
    package static func filled(on connection: Connection) throws -> [String] {
        try MaterializedViews(on: connection).views.map(\.name)
    }

    private init(_ views: [View], reads: [String: [String]]) {
        self.views = views
        self.reads = reads
    }

    /// Those of them that have these names.
    package func limited(to names: [String]) -> MaterializedViews {
        MaterializedViews(views.filter { names.contains($0.name) }, reads: reads)
    }

    /// Those that are read come first.
    ///
    /// - Parameter reads: what views, materialized or not, read directly.
    package static func ordered(_ views: [View], reads: [String: [String]]) -> [View] {
        var result: [View] = []
        var seen: Set<String> = []
        let byOid = Dictionary(views.map { ($0.oid, $0) }) { first, _ in first }
        for view in views {
            // A stack of its own: chains of views may be long. The second visit comes when all that is read is done.
            var stack = [(oid: view.oid, isDone: false)]
            while let (oid, isDone) = stack.popLast() {
                if isDone {
                    if let view = byOid[oid] { result.append(view) }
                    continue
                }
                guard seen.insert(oid).inserted else { continue }
                stack.append((oid, true))
                stack += (reads[oid] ?? []).map { ($0, false) }
            }
        }
        return result
    }

    /// Fills them from the tables as they are now. One that fails is left as it is, with those that read it.
    ///
    /// - Parameter besideReaders: applications use the target, and are kept waiting no more than need be.
    /// - Returns: the names of those that are left as they were.
    package func refresh(
        on server: ConnectionString, _ logger: Logger, besideReaders: Bool = false, isStopped: () throws -> Void
    ) throws -> [String] {
        let target = try DatabaseSession.connect(server, encoding: "UTF8")
        // A view's owner sees what policies let it see, as on the source.
        try target.execute("SET row_security = on", doing: "switching on policies")
        var stale: [View] = []
        for view in views {
            try isStopped()
            let remedy = "Fix the cause, then run on the target: REFRESH MATERIALIZED VIEW \(view.name);"
            if let read = Self.firstRead(by: view.oid, of: stale, reads: reads) {
                stale.append(view)
                logger.warning("\(view.name) is not refreshed, because it reads \(read.name). \(remedy)")
                continue
            }
            logger.info("refreshing \(view.name)")
            do throws(PostgresError) {
                if besideReaders, view.isReadable, try Self.refreshConcurrently(view, target) { continue }
                try target.execute(
                    "REFRESH MATERIALIZED VIEW \(view.name)", doing: "refreshing \(view.name)")
            } catch {
                guard error.isOfStatement else { throw error }
                stale.append(view)
                logger.warning("\(view.name) is not refreshed (\(error.message)). \(remedy)")
            }
        }
        return stale.map(\.name)
    }

    /// False when the server cannot, as where rows are equal in all but what is NULL.
    private static func refreshConcurrently(_ view: View, _ target: Connection) throws(PostgresError) -> Bool {
        do throws(PostgresError) {
            try target.execute(
                "REFRESH MATERIALIZED VIEW CONCURRENTLY \(view.name)", doing: "refreshing \(view.name)")
            return true
        } catch {
            guard error.isOfStatement else { throw error }
            return false
        }
    }

    /// One of some views that another one reads, be it through others.
    static func firstRead(by oid: String, of views: [View], reads: [String: [String]]) -> View? {
        guard !views.isEmpty else { return nil }
        var seen: Set<String> = [oid]
        var stack = reads[oid] ?? []
        while let next = stack.popLast() {
            guard seen.insert(next).inserted else { continue }
            if let view = views.first(where: { $0.oid == next }) { return view }
            stack += reads[next] ?? []
        }
        return nil
    }

    private static let viewsQuery = """
        SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_has_role(c.relowner, 'USAGE'), c.relispopulated,
               c.relispopulated AND EXISTS (
                 SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid
                    AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'm' AND \(UserObject.namespace)
           AND \(SourceSnapshot.ownedByNoExtension)
         ORDER BY 2, 3
        """

    private static let usesQuery = """
        SELECT DISTINCT r.ev_class, d.refobjid
          FROM pg_catalog.pg_rewrite r
          JOIN pg_catalog.pg_class c ON c.oid = r.ev_class AND c.relkind IN ('v', 'm')
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = r.oid
           AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> r.ev_class
         ORDER BY 1, 2
        """
}
