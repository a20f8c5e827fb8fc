import Glibc

/// Servers of other major versions than the installed one, which `tools/servers` unpacks into a folder.
public enum OtherServers {
    /// The majors that the tests know besides the installed one.
    public static let known = [14, 16, 17, 18]

    /// Where they are: the folder of WALRELAY_TEST_SERVERS, or the one that `tools/servers` uses by itself.
    public static let folder: String = {
        if let folder = variable("WALRELAY_TEST_SERVERS") { return folder }
        if getuid() == 0 { return "/var/cache/walrelay/servers" }
        let cache = variable("XDG_CACHE_HOME") ?? "\(variable("HOME") ?? "/nonexistent")/.cache"
        return "\(cache)/walrelay/servers"
    }()

    /// Those that are there.
    public static let majors = known.filter { isExecutable("\(bindir($0))/postgres") }

    /// Those that are not there.
    public static let missing = known.filter { !majors.contains($0) }

    /// Why a test of all of them is skipped, in words.
    public static let reason: String = {
        let names = missing.map(String.init).joined(separator: ", ")
        return "PostgreSQL \(names) is not in \(folder); tools/servers fetches it"
    }()

    /// The programs of one.
    public static func installation(_ major: Int) async throws -> PostgresInstallation {
        try await PostgresInstallation(bindir: bindir(major))
    }

    private static func bindir(_ major: Int) -> String { "\(folder)/\(major)/bin" }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
