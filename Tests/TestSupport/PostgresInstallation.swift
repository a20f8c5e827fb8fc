import Glibc

/// The programs of one version of PostgreSQL.
public struct PostgresInstallation: Sendable, Hashable {
    /// Folder of `postgres`, `initdb`, `psql` and so on.
    public let bindir: String
    /// Full version, for instance `15.14`.
    public let version: String
    /// Major version, for instance 15.
    public let major: Int

    /// Looks at the programs in a folder.
    public init(bindir: String) async throws {
        guard isExecutable("\(bindir)/postgres") else {
            throw ClusterError.noInstallation("there is no executable \(bindir)/postgres")
        }
        self.bindir = bindir
        // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
        let answer = try await Program.run("\(bindir)/postgres", ["--version"]).checked("postgres").output
        let words = answer.split(whereSeparator: \.isWhitespace)
        guard words.count >= 3, let major = Int(words[2].prefix { $0.isNumber }) else {
            throw ClusterError.noInstallation("\(bindir)/postgres says it is \(answer)")
        }
        version = String(words[2])
        self.major = major
    }

    /// The installation that tests use unless they say otherwise: that of PG_BINDIR, of `pg_config`, or the newest of
    /// Debian's.
    public static func found() async throws -> PostgresInstallation {
        try await search.value
    }

    /// One search for all tests of a process.
    private static let search = Task.detached {
        if let bindir = getenv("PG_BINDIR") { return try await PostgresInstallation(bindir: String(cString: bindir)) }
        for folder in try await candidates() where isExecutable("\(folder)/postgres") {
            return try await PostgresInstallation(bindir: folder)
        }
        throw ClusterError.noInstallation("neither pg_config nor /usr/lib/postgresql/*/bin leads to one")
    }

    private static func candidates() async throws -> [String] {
        let config = try await Program.shell("pg_config --bindir")
        let debian = "/usr/lib/postgresql"
        let majors = names(in: debian).compactMap { Int($0) }.sorted(by: >)
        return (config.succeeded ? config.outputLines : []) + majors.map { "\(debian)/\($0)/bin" }
    }

    /// Where a relocated installation keeps its own libpq, which its modules do not find by themselves.
    var libraryFolder: String? {
        let folder = (bindir.hasSuffix("/bin") ? String(bindir.dropLast(4)) : "\(bindir)/..") + "/lib"
        return exists("\(folder)/libpq.so.5") ? folder : nil
    }

    /// The variables its programs need.
    var environment: [String: String] {
        libraryFolder.map { ["LD_LIBRARY_PATH": $0] } ?? [:]
    }
}
