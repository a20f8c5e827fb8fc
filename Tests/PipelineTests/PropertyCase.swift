import TestSupport

/// A random schema, the rows that it begins with, and the load of several sessions; all from one number.
struct PropertyCase: Sendable {
    let seed: UInt64
    let tables: [PropertyTable]
    let sourceSchema: String
    let targetSchema: String
    /// For both sides.
    let initialRows: String
    /// What each session of the source runs.
    let sessions: [String]
    let publishesRoot: Bool
    /// The source sends large transactions while they are in progress.
    let isStreamed: Bool
    /// What the case's renderings are chosen by.
    private(set) var random: PropertyRandom

    init(seed: UInt64) {
        self.seed = seed
        var random = PropertyRandom(seed: seed)
        let kinds = random.shuffled(PropertyTable.Kind.allCases).prefix(random.between(3, 5))
        let tables = kinds.enumerated().map { PropertyTable($1, number: $0, &random) }
        self.tables = tables
        publishesRoot = random.chance(50)
        isStreamed = random.chance(40)

        var seen: Set<String> = []
        // Domains over an extension's types come after it.
        let wanted = tables.flatMap(\.setup)
        let extensions = ["citext", "hstore"].filter { name in wanted.contains { $0.hasSuffix("AS odd.\(name)") } }
        let setup = (extensions.map { "CREATE EXTENSION \($0) SCHEMA odd" } + wanted).filter {
            seen.insert($0).inserted
        }
        .map { $0 + ";\n" }.joined()
        let common = "CREATE SCHEMA odd;\nSET search_path = public, odd;\n" + setup
        sourceSchema = common + tables.map { $0.sourceDefinition() }.joined()
        targetSchema = common + tables.map { $0.targetDefinition(&random) }.joined()
        initialRows =
            "SET search_path = public, odd;\n"
            + tables.map { PropertyStatements(table: $0).initialRows(&random) }.joined()
        sessions = (0..<3).map { PropertyCase.session($0, tables, &random) }
        self.random = random
    }

    /// A session's transactions.
    private static func session(
        _ number: Int, _ tables: [PropertyTable], _ random: inout PropertyRandom
    ) -> String {
        var sql = """
            SET search_path = public, odd; SET lock_timeout = '500ms'; SET deadlock_timeout = '10ms';
            \\set ON_ERROR_ROLLBACK \(random.chance(50) ? "on" : "off")

            """
        // The first session changes layouts on its way.
        var layouts = number == 0 ? tables.map(\.lastSourceChanges).filter { !$0.isEmpty } : []
        for _ in 0..<random.between(12, 20) {
            if random.chance(20), let layout = layouts.popLast() { sql += layout }
            sql += transaction(tables, &random)
        }
        return sql + layouts.joined()
    }

    private static func transaction(_ tables: [PropertyTable], _ random: inout PropertyRandom) -> String {
        func statement() -> String { PropertyStatements(table: random.pick(tables)).random(&random) }
        switch random.below(100) {
        case 0..<4: return "BEGIN; SELECT txid_current(); COMMIT;\n"
        case 4..<10: return message(&random)
        case 10..<12:
            let names = random.shuffled(tables).prefix(2).map(\.quoted).joined(separator: ", ")
            return "BEGIN; \(statement()) TRUNCATE \(names) CASCADE; \(statement()) COMMIT;\n"
        case 12..<40: return statement()
        default: break
        }
        var sql = "BEGIN;\n"
        var savepoints = 0
        for _ in 0..<random.between(1, 8) {
            sql += statement()
            switch random.below(12) {
            case 0:
                sql += "SAVEPOINT a;\n"
                savepoints += 1
            case 1 where savepoints > 0: sql += "ROLLBACK TO a;\n"
            case 2 where savepoints > 0:
                sql += "RELEASE a;\n"
                savepoints -= 1
            case 3: sql += message(&random)
            default: break
            }
        }
        return sql + (random.chance(85) ? "COMMIT;\n" : "ROLLBACK;\n")
    }

    /// A logical message that looks like something else.
    private static func message(_ random: inout PropertyRandom) -> String {
        let texts = [
            "", "x", "\\.", "\n\\.\nCOMMIT;\n", "; DROP SCHEMA public CASCADE; --",
            "\n-- walrelay end {\"to\":\"F/0\"}\n",
            "\\q", "\\! false", ":x", "$$", "\r\nROLLBACK;\r\n", "'", "\"", "\\", "/*", "\u{2028}",
            String(repeating: "\nTRUNCATE x;", count: 500),
        ]
        func literal(_ text: String) -> String { "'" + text.replacing("'", with: "''") + "'" }
        return "SELECT pg_logical_emit_message(\(random.chance(50)), \(literal(random.pick(texts))), "
            + "\(literal(random.pick(texts))));\n"
    }
}
