import Postgres

/// A setting as `pg_db_role_setting` has it: `name=value`.
package struct StoredSetting {
    /// Its name.
    package let name: String
    private let value: String
    /// Settings whose value is stored as SQL writes a list.
    private static let lists: Set = [
        "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
        "temp_tablespaces", "unix_socket_directories",
    ]

    package init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        (name, value) = (String(parts[0]), String(parts[1]))
    }

    /// The name, as SQL writes it. The parts of the name of an extension's setting are names of their own.
    package var sqlName: String {
        name.split(separator: ".").map { Quoting.identifier(String($0)) }.joined(separator: ".")
    }

    /// What follows `ALTER …`.
    package var assignment: String {
        let isList = Self.lists.contains(name.lowercased()) && !value.isEmpty
        return "SET \(sqlName) TO \(isList ? value : Quoting.literal(value))"
    }
}
