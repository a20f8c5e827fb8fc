import Catalog
import Postgres

/// Writes the source's definitions as the target would: servers of different versions print the same query differently,
/// and a condition is printed otherwise once it was dumped and restored (`varchar IN ('a', 'b')`). What a server prints is all
/// that pg_dump shows.
final class PrintedComparison {
    /// A part of a definition that a server prints from what it has understood.
    private enum Part {
        case view
        /// A constraint of a table, which is named as SQL writes it.
        case check(table: String)
        /// The default of a table's column.
        case standard(table: String, column: String)
        /// An index of a table.
        case index(table: String)
        /// A constraint of a domain over a type.
        case domain(base: String)
    }

    private let target: Connection
    /// Parts as the source prints them, by what ``SchemaComparison/Difference/object`` calls what they are of.
    private var parts: [String: [(part: Part, text: String)]] = [:]
    private static let scratch = "pg_temp.walrelay_compared"

    init(source: ConnectionString, target: ConnectionString) throws {
        self.target = try DatabaseSession.connect(target, encoding: "UTF8")
        // Event triggers are for others; who may not switch them off may be stopped by one.
        _ = try? self.target.execute("SET session_replication_role = replica", doing: "switching off event triggers")
        let connection = try DatabaseSession.connect(source, encoding: "UTF8")
        let result = try connection.execute(Self.query, doing: "reading how definitions are printed")
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let kind = row[0], let object = row[1], let text = row[4] else { continue }
            let (table, column) = (row[2] ?? "", row[3] ?? "")
            let part: Part? =
                switch kind {
                case "view": .view
                case "check": .check(table: table)
                case "default": .standard(table: table, column: column)
                case "index": .index(table: table)
                case "domain": .domain(base: table)
                default: nil
                }
            guard let part else { continue }
            parts[object, default: []].append((part, text))
            // What pg_dump makes in two steps, has its query in the second.
            if object.hasPrefix("VIEW ") { parts["RULE \(object.dropFirst("VIEW ".count)) _RETURN"] = [(part, text)] }
        }
    }

    /// The definition with its parts as the target prints them; the same when it has none, or the target does not take one.
    func translated(_ definition: String, of object: String) -> String {
        var definition = definition
        for (part, text) in parts[object] ?? [] {
            guard let printed = try? printed(part, text) else { continue }
            let (ours, theirs) = (Self.body(text), Self.body(printed))
            if !ours.isEmpty && ours != theirs { definition = definition.replacing(ours, with: theirs) }
        }
        return definition
    }

    private func printed(_ part: Part, _ text: String) throws -> String? {
        let doing = "printing a definition"
        let scratch = Self.scratch
        defer { _ = try? target.execute("ROLLBACK", doing: doing) }
        let make: String
        let read: String
        switch part {
        case .view:
            make = "CREATE TEMPORARY VIEW walrelay_compared AS \(text)"
            read = "pg_catalog.pg_get_viewdef('\(scratch)'::pg_catalog.regclass)"
        case .check(let table):
            make = "\(Self.like(table)); ALTER TABLE \(scratch) ADD CONSTRAINT compared \(text)"
            read = Self.constraint("conrelid", "\(scratch)'::pg_catalog.regclass")
        case .standard(let table, let column):
            make = "\(Self.like(table)); ALTER TABLE \(scratch) ALTER COLUMN \(column) SET DEFAULT \(text)"
            read = """
                pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef
                 WHERE adrelid OPERATOR(pg_catalog.=) '\(scratch)'::pg_catalog.regclass
                """
        case .index(let table):
            make =
                "\(Self.like(table)); \(text.replacing(" ON \(table) ", with: " ON \(scratch) ", maxReplacements: 1))"
            read = """
                pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(indexrelid), ' ON pg_temp[_0-9]*.walrelay_compared ',
                  pg_catalog.concat(' ON ', \(Quoting.literal(table)), ' ')) FROM pg_catalog.pg_index
                 WHERE indrelid OPERATOR(pg_catalog.=) '\(scratch)'::pg_catalog.regclass
                """
        case .domain(let base):
            make = "CREATE DOMAIN \(scratch) AS \(base) CONSTRAINT compared \(text)"
            read = Self.constraint("contypid", "\(scratch)'::pg_catalog.regtype")
        }
        try target.execute("BEGIN; \(make)", doing: doing)
        return try target.execute("SELECT \(read)", doing: doing).text(0, 0)
    }

    private static func like(_ table: String) -> String {
        "CREATE TEMPORARY TABLE walrelay_compared (LIKE \(table))"
    }

    private static func constraint(_ column: String, _ object: String) -> String {
        """
        pg_catalog.pg_get_constraintdef(oid) FROM pg_catalog.pg_constraint
         WHERE \(column) OPERATOR(pg_catalog.=) '\(object) AND conname OPERATOR(pg_catalog.=) 'compared'
        """
    }

    /// What stands in a dump of it: pg_dump puts a semicolon of its own.
    private static func body(_ text: String) -> String {
        var body = Substring(text)
        while let last = body.last, last == ";" || last.isWhitespace { body.removeLast() }
        return String(body)
    }

    /// The kind of part, the object, the table or type, the column, and what the server prints.
    private static let query = """
        SELECT 'view', pg_catalog.concat(CASE c.relkind WHEN 'v' THEN 'VIEW ' ELSE 'MATERIALIZED VIEW ' END, n.nspname, '.',
                 c.relname), NULL, NULL, pg_catalog.pg_get_viewdef(c.oid)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
         WHERE c.relkind IN ('v', 'm') AND \(UserObject.namespace)
         UNION ALL
        SELECT 'check', pg_catalog.concat(CASE WHEN o.convalidated THEN 'TABLE ' ELSE 'CHECK CONSTRAINT ' END, n.nspname, '.',
                 c.relname, CASE WHEN NOT o.convalidated THEN pg_catalog.concat(' ', o.conname) END),
               pg_catalog.format('%I.%I', n.nspname, c.relname), NULL, pg_catalog.pg_get_constraintdef(o.oid)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          JOIN pg_catalog.pg_constraint o ON o.conrelid OPERATOR(pg_catalog.=) c.oid
         WHERE o.contype OPERATOR(pg_catalog.=) 'c' AND \(UserObject.namespace)
         UNION ALL
        SELECT 'default', pg_catalog.concat('TABLE ', n.nspname, '.', c.relname),
               pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(a.attname),
               pg_catalog.pg_get_expr(d.adbin, d.adrelid)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid
          JOIN pg_catalog.pg_attrdef d
            ON d.adrelid OPERATOR(pg_catalog.=) c.oid AND d.adnum OPERATOR(pg_catalog.=) a.attnum
         WHERE c.relkind IN ('r', 'p', 'f') AND \(UserObject.namespace)
         UNION ALL
        SELECT 'index', pg_catalog.concat('INDEX ', n.nspname, '.', x.relname),
               pg_catalog.format('%I.%I', n.nspname, c.relname), NULL, pg_catalog.pg_get_indexdef(i.indexrelid)
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
          JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) c.oid
          JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
         WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND \(UserObject.namespace)
         UNION ALL
        SELECT 'domain', pg_catalog.concat('DOMAIN ', n.nspname, '.', t.typname),
               pg_catalog.format_type(t.typbasetype, t.typtypmod), NULL, pg_catalog.pg_get_constraintdef(o.oid)
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
          JOIN pg_catalog.pg_constraint o ON o.contypid OPERATOR(pg_catalog.=) t.oid
         WHERE o.contype OPERATOR(pg_catalog.=) 'c' AND \(UserObject.namespace)
        """
}
