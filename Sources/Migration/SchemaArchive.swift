import Glibc
import Logging
import Observability
import Postgres
import Threading

/// The source's definitions as pg_dump writes them: one archive of one snapshot, restored in two parts.
struct SchemaArchive {
    /// A part of the definitions.
    enum Section: String {
        /// What must be there before rows are.
        case before = "pre-data"
        /// Indexes, constraints, triggers, and the contents of materialized views.
        case after = "post-data"
    }

    let path: String
    let stop: StopRequest
    let logger: Logger

    /// Writes the archive. Publications and subscriptions belong to the source's place among other servers.
    func dump(_ source: ConnectionString, snapshot: String) throws {
        let arguments = [
            "--format=custom", "--section=\(Section.before.rawValue)", "--section=\(Section.after.rawValue)",
            "--no-blobs",
            "--no-publications", "--no-subscriptions", "--snapshot=\(snapshot)", "--file=\(path)",
        ]
        try run("pg_dump", source, arguments)
    }

    /// Makes one part of the definitions on the target. The first error ends it.
    func restore(_ section: Section, _ target: ConnectionString, jobs: Int, options: [String]) throws {
        let arguments =
            ["--exit-on-error", "--section=\(section.rawValue)", "--jobs=\(jobs)"] + options
        try run("pg_restore", target, arguments, [path])
    }

    func remove() {
        unlink(path)
    }

    private func run(
        _ name: String, _ server: ConnectionString, _ arguments: [String], _ files: [String] = []
    ) throws {
        try stop.check()
        let program = try ClientProgram.connecting(name, to: server, arguments)
        let code = try ClientProgram(name: name, arguments: program.arguments + files)
            .run(password: server.parameters["password"], stop: stop) { line in
                // The server's DETAIL may quote rows.
                guard !line.hasPrefix("DETAIL:"), !line.isEmpty else { return }
                logger.warning("\(line)")
            }
        try stop.check()
        guard code == 0 else {
            throw MigrationError(
                .conflict,
                "\(name) ended with code \(code); its message is above. Mend the cause and run the same command again, "
                    + "which begins with a new snapshot")
        }
    }
}
