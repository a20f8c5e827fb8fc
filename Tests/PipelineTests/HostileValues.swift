import TestSupport

/// A setting of a server, and a value for it that someone hostile would choose.
struct HostileValue: Sendable, CustomStringConvertible {
    let name: String
    let value: String

    var description: String { "\(name) = '\(value)'" }

    /// The value that means that something is missing; what the server then says names it.
    static let missing = "walrelay_no_such"

    /// It may well be that no session can work with it. Then the programs must say so.
    var mayBeRefused: Bool {
        value.contains(Self.missing) || ["temp_file_limit", "max_stack_depth"].contains(name)
            || value == "1ms" && Self.timeouts.contains(name)
    }

    private static let timeouts: Set<String> = [
        "statement_timeout", "lock_timeout", "transaction_timeout", "idle_session_timeout",
        "idle_in_transaction_session_timeout", "wal_sender_timeout", "client_connection_check_interval",
    ]

    /// The values of strings.
    private static let strings: [String: [String]] = [
        "timezone": ["Asia/Kathmandu", "America/New_York", "<+13:45>-13:45"],
        "datestyle": ["SQL, DMY", "German", "Postgres, MDY", "ISO, DMY"],
        "lc_monetary": ["C.UTF-8", "POSIX"], "lc_numeric": ["C.UTF-8", "POSIX"], "lc_time": ["C.UTF-8", "POSIX"],
        "lc_messages": ["C.UTF-8", "POSIX"], "client_encoding": ["LATIN1", "SQL_ASCII", "SJIS", "EUC_JP"],
        "application_name": ["it''s \"%s\" \\"], "search_path": ["evil", "pg_temp"],
        "default_tablespace": ["pg_default", missing], "temp_tablespaces": ["pg_default", missing],
        "default_table_access_method": [missing], "timezone_abbreviations": ["India", "Australia"],
        "createrole_self_grant": ["set, inherit"], "restrict_nonsystem_relation_kind": ["view, foreign-table"],
        "default_text_search_config": ["pg_catalog.german"], "dynamic_library_path": ["/\(missing)"],
        "session_preload_libraries": [missing], "local_preload_libraries": [missing],
        "extension_control_path": ["/\(missing)"], "wal_consistency_checking": ["all"],
    ]

    /// Values of numbers that are worse than the least and the largest.
    private static let numbers: [String: [String]] = Dictionary(
        uniqueKeysWithValues: timeouts.map { ($0, ["1ms", "1s"]) })

    /// Every value for every setting that `ALTER DATABASE … SET` takes on this server. Left out is what only decides
    /// what the server writes into its own log.
    static func all(on cluster: Cluster) async throws -> [HostileValue] {
        let lines = try await cluster.sqlLines(
            """
            SELECT lower(name), vartype, min_val, max_val, boot_val,
                   array_to_string(COALESCE(enumvals, CASE vartype WHEN 'bool' THEN '{on,off}'::text[] ELSE '{}' END), ',')
              FROM pg_settings WHERE context IN ('user', 'superuser')
               AND name !~ '^(log_|debug_print_|debug_pretty_|trace_|backtrace_|event_source|syslog|allow_in_place)'
             ORDER BY name
            """)
        return lines.flatMap { line -> [HostileValue] in
            let fields = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 6 else { return [] }
            let name = fields[0]
            var values: [String] = []
            switch fields[1] {
            case "bool", "enum": values = fields[5].split(separator: ",").map(String.init)
            case "integer", "real": values = [fields[2], fields[3], fields[4]] + (numbers[name] ?? [])
            default: values = strings[name] ?? []
            }
            return Set(values.filter { !$0.isEmpty }).sorted().map { HostileValue(name: name, value: $0) }
        }
    }

    /// The values in groups of at most `size` in which no setting is twice; those that may be refused are alone.
    static func groups(_ values: [HostileValue], size: Int, seed: UInt64) -> [[HostileValue]] {
        var random = SeededRandom(seed: seed)
        var groups: [[HostileValue]] = []
        var alone: [[HostileValue]] = []
        for value in values.shuffled(using: &random) {
            if value.mayBeRefused {
                alone.append([value])
            } else if let index = groups.firstIndex(where: { group in
                group.count < size && !group.contains { $0.name == value.name }
            }) {
                groups[index].append(value)
            } else {
                groups.append([value])
            }
        }
        return groups + alone
    }
}
