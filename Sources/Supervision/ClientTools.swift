import Catalog
import Glibc
import Observability
import Postgres
import Spool
import Synchronization
import Threading

/// pg_dump and pg_restore of one version: those of all that are installed that suit both servers best.
package struct ClientTools: Sendable {
    /// Where they are.
    package let dump: String
    package let restore: String
    /// Their major version.
    package let version: Int
    /// The target does not know a setting that this pg_restore begins each session with, and refuses it.
    package let isTooNewForTarget: Bool

    /// A program, and its major version.
    package struct Found: Sendable, Equatable {
        package var path: String
        package var version: Int
    }

    /// The first version whose pg_restore sets `transaction_timeout`.
    static let settingVersion = 17

    /// The path of one of them.
    package func path(_ name: String) -> String { name == "pg_dump" ? dump : restore }

    /// The programs for two servers.
    ///
    /// - Throws: ``ProgramFailure`` when none of them suits.
    package static func find(_ servers: ServerPair) throws -> ClientTools {
        let source = try Connection(servers.source, applicationName: DatabaseSession.applicationName)
        let target = try Connection(servers.target, applicationName: DatabaseSession.applicationName)
        let (ours, theirs) = (source.serverVersion / 10_000, target.serverVersion / 10_000)
        guard let tools = find(source: ours, target: theirs) else {
            throw ProgramFailure(
                .unsuitableServer,
                "no pg_dump and pg_restore of version \(ours) or newer, both of one version, are in PATH or in "
                    + "/usr/lib/postgresql: there are \(words); install PostgreSQL's client programs")
        }
        return tools
    }

    /// The programs for servers of these versions; nil when none suits.
    package static func find(source: Int, target: Int) -> ClientTools? {
        var (dumps, restores): ([Found], [Found]) = ([], [])
        for folder in folders {
            dumps += found("pg_dump", in: folder).map { [$0] } ?? []
            restores += found("pg_restore", in: folder).map { [$0] } ?? []
            // There is nothing better.
            if let tools = choose(dumps: dumps, restores: restores, source, target),
                tools.version == max(source, target)
            {
                return tools
            }
        }
        return choose(dumps: dumps, restores: restores, source, target)
    }

    /// pg_dump reads its own version and older ones, pg_restore what a pg_dump of its version wrote. Those of the newer
    /// server's version suit both, then those next to it; of one version the first in PATH.
    package static func choose(dumps: [Found], restores: [Found], _ source: Int, _ target: Int) -> ClientTools? {
        let wanted = max(source, target)
        let pairs = dumps.compactMap { dump -> ClientTools? in
            guard dump.version >= source, let restore = restores.first(where: { $0.version == dump.version }) else {
                return nil
            }
            return ClientTools(
                dump: dump.path, restore: restore.path, version: dump.version,
                isTooNewForTarget: dump.version >= settingVersion && target < settingVersion)
        }
        let nearest = pairs.map { abs($0.version - wanted) }.min()
        return pairs.first { abs($0.version - wanted) == nearest }
    }

    /// What is installed, for a message.
    package static var words: String {
        let all = folders.flatMap { folder in ["pg_dump", "pg_restore"].compactMap { found($0, in: folder) } }
        return all.isEmpty ? "none" : all.map { "\($0.path) (\($0.version))" }.joined(separator: ", ")
    }

    /// PATH, and then the folders of Debian's and Red Hat's packages; each once, by whatever name.
    private static let folders: [String] = {
        var folders = getenv("PATH").map { String(cString: $0) }?.split(separator: ":").map(String.init) ?? []
        for (parent, prefix, folder) in [("/usr/lib/postgresql", "", "/bin"), ("/usr", "pgsql-", "/bin")] {
            folders += names(in: parent).filter { $0.hasPrefix(prefix) }.sorted().map { "\(parent)/\($0)\(folder)" }
        }
        var seen: Set<String> = []
        return folders.filter { folder in
            guard let real = realpath(folder, nil) else { return false }
            defer { free(real) }
            return seen.insert(String(cString: real)).inserted
        }
    }()

    /// Versions that were asked for, by path; 0 for what cannot be run.
    private static let versions = Mutex<[String: Int]>([:])

    private static func found(_ name: String, in folder: String) -> Found? {
        let path = "\(folder)/\(name)"
        guard access(path, X_OK) == 0 else { return nil }
        let version = versions.withLock { $0[path] } ?? self.version(of: path) ?? 0
        versions.withLock { $0[path] = version }
        return version == 0 ? nil : Found(path: path, version: version)
    }

    private static func version(of path: String) -> Int? {
        var lines: [String] = []
        let code = try? ClientProgram(name: path, arguments: ["--version"])
            .run(password: nil, stop: StopRequest()) { lines.append($0) }
        guard code == 0, let words = lines.first?.split(separator: " "), words.count >= 3 else { return nil }
        return words.lazy.compactMap { Int($0.prefix { $0.isNumber }) }.first
    }

    private static func names(in folder: String) -> [String] {
        ((try? FileSystem.list(folder)) ?? []).filter { $0.first != "." }
    }
}
