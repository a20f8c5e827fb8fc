import Synchronization

extension Cluster {
    /// A server that is started when the first test asks for it and goes with the test process.
    ///
    /// Its version is that of ``PostgresInstallation/of(_:)``. Tests work in databases of their own, see
    /// ``createDatabase(prefix:)``, and neither stop it nor change settings.
    public static func shared(_ role: SharedRole) async throws -> Cluster {
        try await shared(role, PostgresInstallation.of(role))
    }

    /// The same of a certain major version.
    public static func shared(_ role: SharedRole, major: Int) async throws -> Cluster {
        try await shared(role, PostgresInstallation.of(major: major))
    }

    private struct SharedKey: Hashable {
        let role: SharedRole
        let installation: PostgresInstallation
    }

    private static let started = Mutex<[SharedKey: Task<Cluster, any Error>]>([:])

    private static func shared(_ role: SharedRole, _ installation: PostgresInstallation) async throws -> Cluster {
        let key = SharedKey(role: role, installation: installation)
        let task = started.withLock { started in
            if let task = started[key] { return task }
            // Detached, so that the end of the first test does not cancel it.
            let task = Task.detached {
                try await Cluster.start(
                    name: "shared \(role.rawValue) \(installation.major)", installation: installation)
            }
            started[key] = task
            return task
        }
        return try await task.value
    }
}
