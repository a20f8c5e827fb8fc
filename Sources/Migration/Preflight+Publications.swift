import Catalog
import Observability
import Postgres
import Selection

// Publications of the user's own: the copy takes every selected table as a whole, and so must they.
extension Preflight {
    func lookAtOwnPublications() throws {
        let known = Set(try column(source, "SELECT pubname FROM pg_catalog.pg_publication"))
        let unknown = options.publications.filter { !known.contains($0) }
        guard unknown.isEmpty else {
            return fail(
                .source, "publication",
                "there is no publication \(unknown.map { "\"\($0)\"" }.joined(separator: ", "))",
                "make it first: CREATE PUBLICATION \(Quoting.identifier(unknown[0])) FOR ALL TABLES;")
        }
        let gaps = try PublishedTable.all(on: source, options.publications, selection).compactMap {
            $0.gap(in: options.publications)
        }
        let names = options.publications.map { "\"\($0)\"" }.joined(separator: ", ")
        guard !gaps.isEmpty else { return pass(.source, "publication", "yours, which send everything: \(names)") }
        var remedies: [String] = []
        for gap in gaps where !remedies.contains(gap.remedy) { remedies.append(gap.remedy) }
        fail(
            .source, "publication",
            "what is copied would not all be followed by \(names): \(Figures.some(gaps.map(\.what)))",
            "leave the tables out with --filters, or run on the source: \(remedies.joined(separator: " "))")
    }
}
