extension Cluster {
    /// A server that is started when the first test asks for it and goes with the test process.
    ///
    /// Tests work in databases of their own, see ``createDatabase(prefix:)``, and neither stop it nor change settings.
    public static func shared(_ role: SharedRole) async throws -> Cluster {
        switch role {
        case .source: try await source.value
        case .target: try await target.value
        }
    }

    // A static constant is made once, and a task keeps its value: no lock needed. Detached, so that the end of the
    // first test does not cancel it.
    private static let source = Task.detached { try await Cluster.start(name: "shared source") }
    private static let target = Task.detached { try await Cluster.start(name: "shared target") }
}
