import Glibc

/// Servers of other major versions, which `tools/servers` brings into the folder of WALRELAY_TEST_SERVERS.
public enum OtherServers {
    /// The majors that the tests know of besides the installed one.
    public static let known = [14, 16, 17, 18]

    /// Those that are there.
    public static let majors = known.filter { isExecutable("\(bindir($0))/postgres") }

    /// Those that are not, and why, in words.
    public static let missing: String = {
        let left = known.filter { !majors.contains($0) }.map(String.init).joined(separator: ", ")
        return "skipped: source versions \(left); tools/servers brings them, WALRELAY_TEST_SERVERS says where they are"
    }()

    /// The programs of one.
    public static func installation(_ major: Int) async throws -> PostgresInstallation {
        try await PostgresInstallation(bindir: bindir(major))
    }

    private static func bindir(_ major: Int) -> String {
        (getenv("WALRELAY_TEST_SERVERS").map { String(cString: $0) } ?? "/nonexistent") + "/\(major)/bin"
    }
}
