import Glibc

/// Which version the servers of a test have.
extension PostgresInstallation {
    /// The version of a role's servers: the installed one for sources, the newest one for targets.
    ///
    /// WALRELAY_TEST_SOURCE_MAJOR and WALRELAY_TEST_TARGET_MAJOR name another major for the whole run.
    public static func of(_ role: SharedRole) async throws -> PostgresInstallation {
        if let major = try askedFor(role) { return try await of(major: major) }
        return switch role {
        case .source: try await found()
        case .target: try await newest()
        }
    }

    /// A major version; the installed one is taken where it has that version.
    public static func of(major: Int) async throws -> PostgresInstallation {
        let installed = try await found()
        if installed.major == major { return installed }
        guard OtherServers.majors.contains(major) else {
            throw ClusterError.noInstallation(
                "PostgreSQL \(major) is neither installed nor in \(OtherServers.folder); tools/servers fetches it")
        }
        return try await OtherServers.installation(major)
    }

    /// The newest version that is there.
    public static func newest() async throws -> PostgresInstallation { try await newestThere.value }

    private static let newestThere = Task.detached {
        let installed = try await found()
        guard let other = OtherServers.majors.max(), other > installed.major else {
            if installed.major < OtherServers.known.max() ?? 0 {
                // Once for the whole run, so that nobody takes it for a proof about newer servers.
                print("note: every target is PostgreSQL \(installed.major): \(OtherServers.reason)")
                fflush(nil)
            }
            return installed
        }
        return try await OtherServers.installation(other)
    }

    /// The targets of the few tests that run with several: the newest, the installed and the oldest version that are
    /// there. One, if the environment names the target's version.
    public static func targetMajors() async throws -> [Int] {
        if let major = try askedFor(.target) { return [major] }
        let installed = try await found().major
        let majors = [try await newest().major, installed, min(installed, OtherServers.majors.min() ?? installed)]
        return majors.enumerated().filter { !majors[..<$0.offset].contains($0.element) }.map(\.element)
    }

    /// Each value with the newest target, and the first also with the others of ``targetMajors()``: arguments of a test.
    public static func withTargetMajors<Value>(_ values: [Value]) async throws -> [(Value, Int)] {
        let majors = try await targetMajors()
        return values.map { ($0, majors[0]) } + majors.dropFirst().map { (values[0], $0) }
    }

    /// The newer of two.
    public static func newer(_ one: PostgresInstallation, _ other: PostgresInstallation) -> PostgresInstallation {
        one.major >= other.major ? one : other
    }

    private static func askedFor(_ role: SharedRole) throws -> Int? {
        let variable = "WALRELAY_TEST_\(role.rawValue.uppercased())_MAJOR"
        guard let text = getenv(variable).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        guard let major = Int(text) else {
            throw ClusterError.noInstallation("\(variable) is no major version: \(text)")
        }
        return major
    }
}
