extension SchemaComparison {
    /// What a comparison found.
    public struct Outcome: Sendable {
        /// What differs, sorted by its name.
        public var differences: [Difference]
        /// The version of the pg_dump that is there, when that cannot read the target: then tables, columns, keys, indexes,
        /// sequences and the like were compared by what the catalogs say of them, views and functions by their names alone.
        public var tooOld: Int?
    }

    /// A definition that is not the same.
    public struct Difference: Encodable, Sendable {
        /// What differs, as `TYPE schema.name`.
        public var object: String
        /// Where it is: `differs`, `only on the source`, `only on the target`.
        public var state: String
        /// The statements on the source.
        public var source: String?
        /// The statements on the target.
        public var target: String?

        /// The lines of both sides, as `diff` shows them: with `-` those of the source alone, with `+` those of the target
        /// alone, and the others as they are.
        public var lines: [String] {
            let ours = (source ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            let theirs = (target ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            let changes = theirs.difference(from: ours)
            var removed: Set<Int> = []
            var inserted: Set<Int> = []
            for change in changes {
                switch change {
                case .remove(let offset, _, _): removed.insert(offset)
                case .insert(let offset, _, _): inserted.insert(offset)
                }
            }
            var lines: [String] = []
            var (our, their) = (0, 0)
            while our < ours.count || their < theirs.count {
                if our < ours.count && removed.contains(our) {
                    lines.append("-\(ours[our])")
                    our += 1
                } else if their < theirs.count && inserted.contains(their) {
                    lines.append("+\(theirs[their])")
                    their += 1
                } else {
                    lines.append(" \(our < ours.count ? ours[our] : "")")
                    our += 1
                    their += 1
                }
            }
            return lines
        }
    }
}
