import Postgres

/// Which way the sequences of a database go.
package struct SequenceOrder {
    private let descending: Set<String>

    /// Sequences that count down.
    package init(descending: Set<String>) {
        self.descending = descending
    }

    /// Asks a server, of version 10 or newer.
    package init(on connection: Connection) throws {
        let result = try connection.execute(
            """
            SELECT n.nspname, c.relname FROM pg_catalog.pg_sequence s
              JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE s.seqincrement < 0
            """, doing: "listing the sequences")
        descending = Set(
            (0..<result.rowCount).compactMap { index in
                guard let schema = result.text(index, 0), let name = result.text(index, 1) else { return nil }
                return Quoting.qualified(schema, name)
            })
    }

    /// The sequences that would give out a value again that was given out over there, or that are not here.
    package func behind(_ here: [CopiedSequence], _ there: [CopiedSequence]) -> [String] {
        let ours = Dictionary(here.map { ($0.name, $0) }) { first, _ in first }
        return there.filter { wanted in
            guard let found = ours[wanted.name] else { return true }
            if found == wanted { return false }
            guard let value = Int(found.lastValue), let least = Int(wanted.lastValue) else { return true }
            if value == least { return wanted.isCalled && !found.isCalled }
            return descending.contains(wanted.name) ? value > least : value < least
        }.map(\.name)
    }
}
