import Catalog
import Copying
import Logging
import Observability
import Postgres
import Spool

/// Foreign keys, triggers and rules that are made on the target when all changes are applied: where no role may switch them
/// off, they would act on changes that the source has made them act on already. `state/late.json` in the spool.
public struct LateDefinitions: Codable, Sendable {
    /// How far they are.
    public enum State: String, Codable, Sendable {
        /// They are not on the target.
        case waiting
        /// Some may be there. They are dropped before any more changes are applied.
        case making
        /// They are there.
        case made
    }

    /// One of them.
    struct Item: Codable, Sendable {
        enum Kind: String, Codable, Sendable {
            case foreignKey = "foreign key"
            case trigger, rule
            /// A comment on the one before.
            case addition
        }

        var kind: Kind
        var schema: String
        var table: String
        var name: String
        /// What makes it.
        var statement: String

        var qualifiedTable: String { Quoting.qualified(schema, table) }
        var label: String { "\(kind.rawValue) \(Quoting.identifier(name)) on \(qualifiedTable)" }

        /// What ``SchemaComparison`` calls it, and a comment on it.
        var objects: [String] {
            switch kind {
            case .foreignKey:
                ["FK CONSTRAINT \(schema).\(table) \(name)", "COMMENT \(schema).CONSTRAINT \(name) ON \(table)"]
            case .trigger: ["TRIGGER \(schema).\(table) \(name)", "COMMENT \(schema).TRIGGER \(name) ON \(table)"]
            case .rule: ["RULE \(schema).\(table) \(name)", "COMMENT \(schema).RULE \(name) ON \(table)"]
            case .addition: []
            }
        }

        var drop: String? {
            let name = Quoting.identifier(name)
            return switch kind {
            case .foreignKey: "ALTER TABLE IF EXISTS \(qualifiedTable) DROP CONSTRAINT IF EXISTS \(name)"
            case .trigger: "DROP TRIGGER IF EXISTS \(name) ON \(qualifiedTable)"
            case .rule: "DROP RULE IF EXISTS \(name) ON \(qualifiedTable)"
            case .addition: nil
            }
        }
    }

    var items: [Item] = []

    private static let file = "late.json"

    /// What is to be made; nothing where the copy wrote nothing down.
    static func read(_ spool: SpoolDirectory) throws -> LateDefinitions {
        guard let bytes = try spool.state(file) else { return LateDefinitions() }
        let path = spool.statePath + "/" + file
        return try bytes.withUnsafeBytes { try JSON.decode($0, what: "what is made in the switchover", file: path) }
    }

    /// Keeps it, durably.
    func write(_ spool: SpoolDirectory) throws { try spool.replaceState(Self.file, with: JSON.encode(self) + [0x0A]) }

    /// How many there are, in words.
    var words: String {
        let counts = [(Item.Kind.foreignKey, "foreign key"), (.trigger, "trigger"), (.rule, "rule")].compactMap {
            kind, word -> String? in
            let count = items.count { $0.kind == kind }
            return count == 0 ? nil : "\(count) \(word)\(count == 1 ? "" : "s")"
        }
        return counts.isEmpty ? "none" : counts.joined(separator: ", ")
    }

    /// Takes them out of an archive's entries.
    ///
    /// - Returns: the entries that are left.
    static func split(_ entries: [ArchiveContents.Entry]) -> (
        now: [ArchiveContents.Entry], late: [ArchiveContents.Entry]
    ) {
        var late: Set<Int> = []
        for entry in entries
        where entry.actsOnChanges || entry.isAddition && entry.dependencies.contains(where: { late.contains($0) }) {
            late.insert(entry.id)
        }
        return (entries.filter { !late.contains($0.id) }, entries.filter { late.contains($0.id) })
    }

    /// What is written down of an archive's entries.
    ///
    /// - Parameters:
    ///   - statements: of each entry, by its number.
    ///   - source: sees what the archive is of.
    init(
        _ entries: [ArchiveContents.Entry], statements: [Int: String], on source: Connection
    ) throws {
        let names = try Self.names(on: source)
        items = entries.compactMap { entry in
            guard let statement = statements[entry.id], !statement.isEmpty else { return nil }
            guard !entry.isAddition, let name = names[entry.address] else {
                return Item(kind: .addition, schema: "", table: "", name: entry.name, statement: statement)
            }
            let kind: Item.Kind = entry.isForeignKey ? .foreignKey : entry.isTrigger ? .trigger : .rule
            return Item(
                kind: kind, schema: name.schema, table: name.table, name: name.name, statement: statement)
        }
    }

    init() {}

    private static func names(
        on source: Connection
    ) throws -> [SourceObjects.Address: (schema: String, table: String, name: String)] {
        let result = try source.execute(
            """
            SELECT o.catalog, o.oid, n.nspname, c.relname, o.name FROM (
              SELECT 2606 AS catalog, oid, conrelid AS relation, conname AS name FROM pg_catalog.pg_constraint
               WHERE contype = 'f'
               UNION ALL SELECT 2620, oid, tgrelid, tgname FROM pg_catalog.pg_trigger
               UNION ALL SELECT 2618, oid, ev_class, rulename FROM pg_catalog.pg_rewrite) o
              JOIN pg_catalog.pg_class c ON c.oid = o.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            """, doing: "looking for foreign keys, triggers and rules")
        var names: [SourceObjects.Address: (schema: String, table: String, name: String)] = [:]
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard let catalog = row[0].flatMap({ UInt32($0) }), let oid = row[1].flatMap({ UInt32($0) }),
                let schema = row[2], let table = row[3], let name = row[4]
            else { continue }
            names[.init(catalog: catalog, oid: oid)] = (schema, table, name)
        }
        return names
    }
}

// Making them.
extension LateDefinitions {
    /// Drops those that a switchover made that was not finished: changes are to be applied again.
    static func drop(_ options: CloneOptions, _ logger: Logger) throws {
        let spool = SpoolDirectory(options.spool)
        guard let journal = try CloneJournal.read(spool), journal.late == .making || journal.late == .made else {
            return
        }
        let target = try TargetDatabase(options.target).connection
        logger.info("dropping the foreign keys and triggers that an unfinished switchover has made")
        for statement in try read(spool).items.compactMap(\.drop) {
            try target.execute(statement, doing: "dropping what comes in the switchover")
        }
        try CloneJournal.update(spool) { journal in
            journal.late = .waiting
            journal.unvalidated = nil
        }
    }

    /// Makes those that the source still has. Foreign keys do not look at the rows yet.
    ///
    /// - Returns: what could not be made, and what to do about it.
    static func make(_ options: CloneOptions, _ logger: Logger) throws -> [String] {
        let spool = SpoolDirectory(options.spool)
        guard let journal = try CloneJournal.read(spool), journal.late == .waiting else { return [] }
        let late = try read(spool)
        // One that was killed in the middle is known to have begun.
        try CloneJournal.update(spool) { $0.late = .making }
        let target = try TargetDatabase(options.target).connection
        let there = try names(on: try SourceFence.connect(options.source))
        let known = Set(there.values.map { "\($0.schema)\u{0}\($0.table)\u{0}\($0.name)" })
        var isLeftOut = false
        var (remarks, unvalidated): ([String], [String]) = ([], [])
        for item in late.items {
            if item.kind == .addition {
                if !isLeftOut { try make(item, item.statement, target, &remarks) }
                continue
            }
            isLeftOut = !known.contains("\(item.schema)\u{0}\(item.table)\u{0}\(item.name)")
            if isLeftOut {
                logger.warning("not made, because the source does not have it any more: \(item.label)")
                continue
            }
            guard item.kind == .foreignKey, item.statement.last == ";", !item.statement.hasSuffix("NOT VALID;") else {
                try make(item, item.statement, target, &remarks)
                continue
            }
            do throws(PostgresError) {
                try target.execute(item.statement.dropLast() + " NOT VALID;", doing: "making \(item.label)")
                unvalidated.append(
                    "ALTER TABLE \(item.qualifiedTable) VALIDATE CONSTRAINT \(Quoting.identifier(item.name));")
            } catch {
                guard error.isOfStatement else { throw error }
                // Before version 18 a partitioned table cannot have it so.
                try make(item, item.statement, target, &remarks)
            }
        }
        try TargetDatabase(options.target).makeDurable()
        try CloneJournal.update(spool) { journal in
            journal.late = .made
            journal.unvalidated = unvalidated.isEmpty ? nil : unvalidated
            journal.remarks = (journal.remarks ?? []) + remarks
            if journal.remarks?.isEmpty == true { journal.remarks = nil }
        }
        logger.info("made what comes in the switchover: \(late.words)")
        for remark in remarks { logger.warning("\(remark)") }
        return remarks
    }

    private static func make(
        _ item: Item, _ statement: String, _ target: Connection, _ remarks: inout [String]
    ) throws {
        do throws(PostgresError) {
            try target.execute(statement, doing: "making \(item.label)")
        } catch {
            guard error.isOfStatement else { throw error }
            remarks.append(
                "\(item.label) is not on the target (\(error.message)). Fix the cause, then run there: "
                    + statement.replacing("\n", with: " "))
        }
    }

    /// Has the foreign keys look at the rows, while the application uses the target.
    static func validate(_ options: CloneOptions, _ logger: Logger) throws {
        let spool = SpoolDirectory(options.spool)
        guard let statements = try CloneJournal.read(spool)?.unvalidated else { return }
        let target = try TargetDatabase(options.target).connection
        var left: [String] = []
        for statement in statements {
            do throws(PostgresError) {
                try target.execute(statement, doing: "validating a foreign key")
            } catch {
                guard error.isOfStatement else { throw error }
                left.append(statement)
                logger.warning("rows violate a foreign key, which stays NOT VALID (\(error.message)): \(statement)")
            }
        }
        logger.info("validated \(statements.count - left.count) of \(statements.count) foreign keys")
        try CloneJournal.update(spool) { $0.unvalidated = left.isEmpty ? nil : left }
    }
}
