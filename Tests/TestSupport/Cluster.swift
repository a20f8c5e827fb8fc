import Glibc
import Synchronization

/// A real PostgreSQL server for tests, with nothing in it and on the fast side of safety.
///
///     let cluster = try await Cluster.start(name: "source")
///     let database = try await cluster.createDatabase()
///     try await cluster.sql("CREATE TABLE t (id int)", database: database)
///
/// Server and files go when the last reference goes, and when the test process ends, even by SIGKILL.
public final class Cluster: Sendable {
    /// Name for messages.
    public let name: String
    /// The version that runs.
    public let installation: PostgresInstallation
    /// TCP port on 127.0.0.1, which also names the socket.
    public let port: Int
    /// Name of the superuser.
    public let superuser = "postgres"
    /// Folder of the cluster, removed at the end. Owned by the server's user, so fit for tablespaces and archives.
    public let folder: String
    let supervisor: ClusterSupervisor
    let databaseCounter = Counter()

    private init(name: String, installation: PostgresInstallation, port: Int, supervisor: ClusterSupervisor) {
        self.name = name
        self.installation = installation
        self.port = port
        self.supervisor = supervisor
        folder = supervisor.folder
    }

    /// Folder of the Unix socket, which libpq takes as the host.
    public var host: String { folder }
    /// Data folder of the server.
    public var dataFolder: String { "\(folder)/data" }
    /// Process id of the supervisor that cleans up.
    public var supervisorPID: Int32 { supervisor.pid }

    /// Process id of the postmaster; nil when there is none.
    public var serverPID: Int32? {
        lines(of: readText("\(dataFolder)/postmaster.pid")).first.flatMap { Int32($0) }
    }

    /// libpq's keyword/value form, through the Unix socket.
    public func connectionString(database: String, user: String? = nil) -> String {
        "host=\(host) port=\(port) user=\(Self.word(user ?? superuser)) dbname=\(Self.word(database))"
    }

    /// libpq's URI form, through TCP.
    public func uri(database: String, user: String? = nil) -> String {
        "postgresql://\(Self.escaped(user ?? superuser))@127.0.0.1:\(port)/\(Self.escaped(database))"
    }

    /// The last lines of the server's log.
    public func serverLogTail(lines count: Int = 30) -> String {
        tail(of: readText("\(folder)/log"), lines: count)
    }

    /// Makes and starts a server.
    ///
    /// - Parameters:
    ///   - role: what the test needs it for, which decides the version, see ``PostgresInstallation/of(_:)``.
    ///   - name: for messages.
    ///   - settings: override the defaults in `postgresql.conf`.
    ///   - installation: the version, if it is not the role's.
    public static func start(
        role: SharedRole = .source,
        name: String,
        settings: [String: String] = [:],
        installation: PostgresInstallation? = nil
    ) async throws -> Cluster {
        let version: PostgresInstallation
        if let installation { version = installation } else { version = try await .of(role) }
        let supervisor = try supervisor(of: version)
        guard try await supervisor.perform("make", within: .seconds(120)) == 0 else {
            throw failure(name, "make it", "initdb or copying it failed", supervisor)
        }
        return try await start(name, settings, version, supervisor)
    }

    private static let count = Counter()

    /// What makes a server in a folder of its own.
    static func supervisor(of version: PostgresInstallation) throws -> ClusterSupervisor {
        try ClusterSupervisor(
            folder: "\(temporaryRoot())/wr\(try Housekeeper.shared.get().token).\(count.next())",
            template: template(of: version),
            serverUser: getuid() == 0 ? "postgres" : "",
            installation: version
        )
    }

    /// Starts with one port after the other until one is still free when the server comes to take it.
    static func start(
        _ name: String,
        _ settings: [String: String],
        _ installation: PostgresInstallation,
        _ supervisor: ClusterSupervisor
    ) async throws -> Cluster {
        let all = defaults.merging(["unix_socket_directories": supervisor.folder]) { $1 }.merging(settings) { $1 }
        let text = all.sorted { $0.key < $1.key }.map { "\($0.key) = \(quoted($0.value))\n" }.joined()
        let file = "\(supervisor.folder)/data/postgresql.conf"
        try writeFile(file, Array(text.utf8), appending: true)

        for _ in 0..<5 {
            let port = FreePort.find()
            try writeFile(file, Array("port = \(port)\n".utf8), appending: true)
            let logged = readText("\(supervisor.folder)/log").utf8.count
            if try await supervisor.perform("start", within: .seconds(90)) == 0 {
                return Cluster(name: name, installation: installation, port: port, supervisor: supervisor)
            }
            let log = String(readText("\(supervisor.folder)/log").utf8.dropFirst(logged)) ?? ""
            guard log.contains("Address already in use") else { break }
        }
        throw failure(name, "start it", "it ended, or was not ready in time", supervisor)
    }

    static let defaults = [
        "listen_addresses": "127.0.0.1",
        "wal_level": "logical",
        "max_wal_senders": "20",
        "max_replication_slots": "20",
        "max_connections": "60",
        "max_prepared_transactions": "10",
        "shared_buffers": "64MB",
        "fsync": "off",
        "full_page_writes": "off",
        "autovacuum": "on",
        "logging_collector": "off",
        "log_min_messages": "info",
        "timezone": "UTC",
        "log_timezone": "UTC",
    ]

    /// The result of initdb that all clusters of one installation and user are copied from.
    private static func template(of installation: PostgresInstallation) -> String {
        // FNV-1a of the folder: two builds of one version may be configured differently.
        let hash = installation.bindir.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 }
        return "\(temporaryRoot())/walrelay-initdb-\(installation.version)-\(getuid())-\(String(hash, radix: 36))"
    }

    static func failure(
        _ name: String, _ step: String, _ reason: String, _ supervisor: ClusterSupervisor
    ) -> ClusterError {
        let log = tail(of: readText("\(supervisor.folder)/log"), lines: 30)
        return .failed(cluster: name, step: step, reason: reason, log: log)
    }

    /// Single quotes, as both postgresql.conf and libpq's keyword/value form have them.
    private static func quoted(_ value: String) -> String {
        var quoted = "'"
        for character in value {
            if character == "'" || character == "\\" { quoted.append("\\") }
            quoted.append(character)
        }
        return quoted + "'"
    }

    /// Quoted only if it has to be, which keeps connection strings easy to use inside other quotes.
    private static func word(_ value: String) -> String {
        !value.isEmpty && value.utf8.allSatisfy(isUnreserved) ? value : quoted(value)
    }

    /// Percent encoding for a part of a URI.
    private static func escaped(_ value: String) -> String {
        value.utf8.map { byte in
            if isUnreserved(byte) { return String(UnicodeScalar(byte)) }
            return "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: false
        }
    }
}
