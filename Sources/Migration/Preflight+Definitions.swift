import Supervision
import Catalog
import Copying
import Logging
import Observability
import Postgres
import Selection
import Threading

// Whether what pg_dump writes can be made on the target.
extension Preflight {
    /// More would take a look at a large database too long, and the target too many locks.
    private static let sampleMax = 200

    /// Makes the first of the source's definitions on the target, in a transaction that is rolled back.
    func lookAtDefinitions(_ stop: StopRequest) throws {
        guard findings.allSatisfy({ $0.status != .fail }), try UserObject.all(on: target).isEmpty else { return }
        let path = try SchemaArchive.temporaryPath()
        let silent = Logger(label: "") { _ in SwiftLogNoOpLogHandler() }
        var archive = try SchemaArchive(path: path, tools: .find(options.servers), stop: stop, logger: silent)
        defer { archive.remove() }
        try archive.dump(options.source, snapshot: nil)
        if selection.includesAllObjects {
            try archive.selectAll()
        } else {
            try archive.select(SourceObjects(on: source, selection), on: source)
        }
        try archive.arrange(waiting: [])
        let isCareful =
            try CarefulRestore(options.servers, skipsMissingRoles: options.skipsMissingRoles, logger: silent) != nil
        let before = archive.order.before.filter { !isCareful || !CarefulRestore.isDelicate($0) }
        let sample = Array(before.prefix(Self.sampleMax))
        try archive.narrow(to: sample, "pre-data")
        // The roles would be made first.
        let bare = isCareful || self.options.copiesRoles
        let options =
            self.options.restoreOptions.filter { !bare || !CarefulRestore.restoreOptions.contains($0) }
            + (bare ? CarefulRestore.restoreOptions : [])
        let script = try archive.script(options: options)
        guard let refusal = try refusal(of: script, sample, isTooNew: archive.tools.isTooNewForTarget) else {
            let rest = before.count - sample.count
            return pass(
                .target, "definitions",
                "\(sample.count) were made and rolled back" + (rest > 0 ? "; \(rest) more were not tried" : ""))
        }
        fail(
            .target, "definitions", "\(refusal.name) cannot be made on the target: \(refusal.error)",
            "change it on the source, make what it needs on the target, or leave it out with --filters", .conflict)
    }

    private func refusal(
        of script: RestoreScript, _ sample: [ArchiveContents.Entry], isTooNew: Bool
    ) throws -> (name: String, error: String)? {
        let doing = "trying the definitions"
        let session = try TargetDatabase(options.target).connection
        try session.execute("BEGIN", doing: doing)
        defer { _ = try? session.execute("ROLLBACK", doing: doing) }
        var texts = script.preamble.filter { !isTooNew || !$0.contains("transaction_timeout") }
            .map { (name: $0, text: $0) }
        let statements = script.statements
        texts += sample.compactMap { entry in statements[entry.id].map { (entry.name, $0) } }
        for (name, text) in texts where !text.isEmpty {
            do throws(PostgresError) {
                try session.execute(text, doing: doing)
            } catch {
                guard error.isOfStatement else { throw error }
                return (name, error.message)
            }
        }
        return nil
    }
}
