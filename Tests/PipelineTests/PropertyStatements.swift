/// Random statements about one table.
struct PropertyStatements {
    let table: PropertyTable

    private var name: String { table.quoted }
    private var number: String { table.number0?.quoted ?? "" }
    private var columnList: String { table.inserted.map(\.quoted).joined(separator: ", ") }

    /// Rows to begin with, the same on both sides.
    func initialRows(_ random: inout PropertyRandom) -> String {
        (0..<random.between(1, 5)).map { _ in insert(random.between(1, 12), &random) }.joined()
    }

    /// One statement or a few that belong together.
    func random(_ random: inout PropertyRandom) -> String {
        guard table.identity != .nothing else {
            return random.chance(90) ? insert(random.between(1, 12), &random) : "TRUNCATE \(name);\n"
        }
        switch random.below(100) {
        case 0..<22: return insert(random.chance(70) ? random.between(1, 3) : random.between(4, 20), &random)
        case 22..<46: return update(&random)
        case 46..<50: return "UPDATE \(name) SET \(number) = \(number);\n"
        case 50..<62: return delete(&random)
        case 62..<78: return moveKey(&random)
        case 78..<88: return storm(&random)
        case 88..<93: return copy(&random)
        case 93..<96: return large(&random)
        case 96: return "TRUNCATE \(name)\(random.chance(50) ? " RESTART IDENTITY" : "");\n"
        default: return replica(&random)
        }
    }

    private func insert(_ rows: Int, _ random: inout PropertyRandom) -> String {
        let values = (0..<rows).map { _ in
            "(" + table.inserted.map { $0.literal(&random) }.joined(separator: ", ") + ")"
        }
        return "INSERT INTO \(name) (\(columnList)) OVERRIDING SYSTEM VALUE VALUES \(values.joined(separator: ", "))"
            + "\(table.conflictClause);\n"
    }

    /// The condition that finds rows: by key, some, or all.
    private func condition(_ random: inout PropertyRandom) -> String {
        if !table.key.isEmpty && random.chance(60) { return keyCondition(&random) }
        if table.key.isEmpty && random.chance(50) {
            let limit = random.between(1, 3)
            return "(tableoid, ctid) IN (SELECT tableoid, ctid FROM \(name) ORDER BY random() LIMIT \(limit))"
        }
        return random.chance(20) ? "true" : "\(number) % \(random.between(2, 5)) = \(random.below(2))"
    }

    private func keyCondition(_ random: inout PropertyRandom) -> String {
        table.key.map { "\($0.quoted) = \($0.literal(&random))" }.joined(separator: " AND ")
    }

    private func update(_ random: inout PropertyRandom) -> String {
        let columns = random.shuffled(table.settable).prefix(random.between(1, 2))
        let sets = columns.map { "\($0.quoted) = \($0.literal(&random))" }.joined(separator: ", ")
        return "UPDATE \(name) SET \(sets) WHERE \(condition(&random));\n"
    }

    private func delete(_ random: inout PropertyRandom) -> String {
        "DELETE FROM \(name) WHERE \(condition(&random));\n"
    }

    /// Rows take other keys: one, many by calculation, two swapping, a chain.
    private func moveKey(_ random: inout PropertyRandom) -> String {
        guard let column = table.key.first else { return update(&random) }
        if table.isAlwaysIdentity {
            return "UPDATE \(name) SET \(column.quoted) = DEFAULT WHERE \(condition(&random));\n"
        }
        let key = column.quoted
        if table.isDeferrable {
            return "UPDATE \(name) SET \(key) = \(key) \(random.pick(["+", "-"])) 1;\n"
        }
        if table.hasIntegerKey && random.chance(60) {
            let (low, other) = (random.below(12), random.below(12))
            return random.pick([
                "UPDATE \(name) SET \(key) = \(key) + \(random.pick([40, 100])) WHERE \(key) BETWEEN \(low) AND \(low + 3);\n",
                """
                UPDATE \(name) SET \(key) = -1 WHERE \(key) = \(low); UPDATE \(name) SET \(key) = \(low) WHERE \(key) = \(other);
                UPDATE \(name) SET \(key) = \(other) WHERE \(key) = -1;

                """,
                (0..<3).map { "UPDATE \(name) SET \(key) = \(low + $0 + 1) WHERE \(key) = \(low + $0);\n" }.joined(),
            ])
        }
        let moved = random.pick(table.key)
        var sets = "\(moved.quoted) = \(moved.literal(&random))"
        if random.chance(40), let also = table.settable.first { sets += ", \(also.quoted) = \(also.literal(&random))" }
        return "UPDATE \(name) SET \(sets) WHERE \(keyCondition(&random));\n"
    }

    /// A few rows come, change, move and go again and again.
    private func storm(_ random: inout PropertyRandom) -> String {
        let keys = (0..<2).map { _ in table.key.map { $0.literal(&random) } }
        return (0..<random.between(3, 14)).map { _ in
            let key = random.pick(keys)
            let condition =
                key.isEmpty
                ? "\(number) = \(random.below(3))"
                : zip(table.key, key).map { "\($0.quoted) = \($1)" }.joined(separator: " AND ")
            switch random.below(4) {
            case 0: return "DELETE FROM \(name) WHERE \(condition);\n"
            case 1:
                let column = random.pick(table.settable)
                return "UPDATE \(name) SET \(column.quoted) = \(column.literal(&random)) WHERE \(condition);\n"
            case 2 where !key.isEmpty && !table.isAlwaysIdentity && !table.isDeferrable:
                let sets = zip(table.key, random.pick(keys)).map { "\($0.quoted) = \($1)" }.joined(separator: ", ")
                return "UPDATE \(name) SET \(sets) WHERE \(condition);\n"
            default:
                var values = table.inserted.map { $0.literal(&random) }
                for (index, column) in table.inserted.enumerated() where column.role == .key {
                    values[index] = key[table.key.firstIndex { $0.name == column.name } ?? 0]
                }
                return "INSERT INTO \(name) (\(columnList)) OVERRIDING SYSTEM VALUE "
                    + "VALUES (\(values.joined(separator: ", ")))\(table.conflictClause);\n"
            }
        }.joined()
    }

    /// COPY with rows of the key, the number and one value.
    private func copy(_ random: inout PropertyRandom) -> String {
        guard !table.isAlwaysIdentity else { return insert(10, &random) }
        let value = table.columns.first { $0.role == .value }
        let columns = table.key + [table.number0, value].compactMap { $0 }
        let isNumbered = table.hasIntegerKey
        let start = random.between(200, 100_000)
        let lines = (0..<(isNumbered || table.key.isEmpty ? random.between(1, 30) : 1)).map { row in
            columns.map { column in
                if column.role == .key && isNumbered { return String(start + row) }
                if column.role == .number { return String(random.below(12)) }
                return random.chance(10) && column.role != .key ? "\\N" : escaped(random.pick(column.values))
            }.joined(separator: "\t")
        }
        return "COPY \(name) (\(columns.map(\.quoted).joined(separator: ", "))) FROM stdin;\n"
            + lines.joined(separator: "\n") + "\n\\.\n"
    }

    private func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\n", with: "\\n").replacing("\r", with: "\\r")
            .replacing("\t", with: "\\t")
    }

    /// A transaction's worth of rows, so that batches are written in parts and the source streams.
    private func large(_ random: inout PropertyRandom) -> String {
        guard table.hasIntegerKey || table.key.isEmpty, !table.isAlwaysIdentity else { return insert(20, &random) }
        let start = random.between(1, 50) * 10_000
        let rows = table.key.isEmpty ? 60 : random.pick([300, 1500])
        let columns = table.key + [table.number0, table.columns.first { $0.role == .large }].compactMap { $0 }
        let values = columns.map { column in
            switch column.role {
            case .key: "g"
            case .number: "g % 11"
            default: "repeat(md5(g::text), g % 90)"
            }
        }.joined(separator: ", ")
        let sql = """
            INSERT INTO \(name) (\(columns.map(\.quoted).joined(separator: ", ")))
              SELECT \(values) FROM generate_series(\(start), \(start + rows)) g\(table.conflictClause);

            """
        guard table.hasIntegerKey, let key = table.key.first?.quoted else { return sql }
        return sql + """
            UPDATE \(name) SET \(number) = \(number) + 1 WHERE \(key) >= \(start) AND \(key) % 3 = 0;
            DELETE FROM \(name) WHERE \(key) >= \(start) AND \(key) % 5 < 4;

            """
    }

    /// Another replica identity, on the source alone.
    private func replica(_ random: inout PropertyRandom) -> String {
        guard !table.key.isEmpty, !table.isDeferrable, !table.isPartitioned, table.identity != .index else {
            return update(&random)
        }
        return "ALTER TABLE \(name) REPLICA IDENTITY \(random.pick(["FULL", "DEFAULT"]));\n"
    }
}
