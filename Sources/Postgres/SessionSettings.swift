/// The settings that every session of ours begins with, because the server, the database or the role may have others:
/// `ALTER DATABASE … SET` and `ALTER ROLE … SET` are for whoever owns these.
///
/// A session's meaning never depends on the server's settings: what is not here either changes no result, or is set by
/// who needs it (docs/decisions.md).
public enum SessionSettings {
    /// Name and value, as SHOW answers it. Those that a server does not have are left out there.
    public static let list: [(name: String, value: String)] = [
        // How text is read and written.
        ("client_encoding", "UTF8"), ("DateStyle", "ISO, YMD"), ("IntervalStyle", "postgres"), ("TimeZone", "UTC"),
        ("extra_float_digits", "3"), ("bytea_output", "hex"), ("lc_monetary", "C"), ("lc_numeric", "C"),
        ("lc_time", "C"), ("xmloption", "content"), ("xmlbinary", "base64"), ("array_nulls", "on"),
        // How statements are read.
        ("standard_conforming_strings", "on"), ("backslash_quote", "safe_encoding"), ("escape_string_warning", "off"),
        ("transform_null_equals", "off"), ("quote_all_identifiers", "off"), ("check_function_bodies", "off"),
        // What a statement may see and do.
        ("default_transaction_isolation", "read committed"), ("default_transaction_read_only", "off"),
        ("default_transaction_deferrable", "off"), ("row_security", "off"), ("gin_fuzzy_search_limit", "0"),
        ("restrict_nonsystem_relation_kind", ""), ("default_tablespace", ""), ("default_table_access_method", "heap"),
        // What ends a session, or a statement.
        ("statement_timeout", "0"), ("lock_timeout", "0"), ("idle_in_transaction_session_timeout", "0"),
        ("idle_session_timeout", "0"), ("transaction_timeout", "0"), ("exit_on_error", "off"),
        // With the worst of these, planning does not end, or each row is looked for in the whole table.
        ("geqo", "off"), ("from_collapse_limit", "8"), ("join_collapse_limit", "8"), ("plan_cache_mode", "auto"),
        ("seq_page_cost", "1"), ("random_page_cost", "4"), ("cpu_tuple_cost", "0.01"),
        ("cpu_index_tuple_cost", "0.005"), ("cpu_operator_cost", "0.0025"), ("enable_bitmapscan", "on"),
        ("enable_hashagg", "on"), ("enable_hashjoin", "on"), ("enable_indexonlyscan", "on"), ("enable_indexscan", "on"),
        ("enable_material", "on"), ("enable_mergejoin", "on"), ("enable_nestloop", "on"), ("enable_seqscan", "on"),
        ("enable_sort", "on"),
        // Of statements with large estimates that run once, compiling takes longer than it saves: a look at the definitions
        // took 0.7 s instead of 0.02 s.
        ("jit", "off"),
        // Messages below that are of no use to us.
        ("client_min_messages", "warning"),
    ]

    /// Not every server has these, and one refuses a session that asks for what it does not have.
    private static let newer: Set<String> = [
        "idle_session_timeout", "transaction_timeout", "restrict_nonsystem_relation_kind",
        "default_table_access_method", "jit", "plan_cache_mode",
    ]

    /// The same as options of a session's start, for programs that open one by themselves; they choose their encoding.
    public static let startOptions = list.filter { !newer.contains($0.name) && $0.name != "client_encoding" }
        .map { "-c \($0.name)=\($0.value.replacing(" ", with: "\\ "))" }.joined(separator: " ")

    /// A time-out that ends the first statements of a session is one that no session can set off: says which it is.
    static func explained(_ error: PostgresError) -> PostgresError {
        if error.code == .connectionLost, error.sqlState == nil {
            // What the server said before it closed the connection may be lost with that.
            var error = error
            error.message +=
                "; if every session ends like this, idle_session_timeout or transaction_timeout of the database or the role is too "
                + "short: give it a longer one (ALTER DATABASE … SET …, or ALTER ROLE … IN DATABASE … SET …)"
            return error
        }
        let setting: String? =
            switch error.sqlState?.rawValue {
            case "57014": "statement_timeout"
            case "25P03": "idle_in_transaction_session_timeout"
            case "25P04": "transaction_timeout"
            case "57P05": "idle_session_timeout"
            default: nil
            }
        guard let setting else { return error }
        var error = error
        error.message +=
            "; \(setting) is so short that no session can begin: give the database or the role a longer one (ALTER DATABASE … "
            + "SET \(setting) = '1min', or ALTER ROLE … IN DATABASE … SET)"
        return error
    }
}

extension Connection {
    /// Makes the session one that means the same on every server: first nothing is found by `search_path` any more, then
    /// all of ``SessionSettings/list`` is set in one round trip, and what the server says it has is compared.
    ///
    /// - Throws: ``PostgresError``, which names a setting that did not take.
    func setUp() throws(PostgresError) {
        do throws(PostgresError) {
            try setAll()
        } catch {
            throw SessionSettings.explained(error)
        }
    }

    private func setAll() throws(PostgresError) {
        let doing = "setting up the session"
        // Before any other text, whose operators another user's might stand in for; and before any join, whose planning
        // may not end with the worst settings of geqo.
        try execute(
            "SELECT pg_catalog.set_config('search_path', '', false), pg_catalog.set_config('geqo', 'off', false)",
            doing: doing)
        let values = SessionSettings.list.map { "(\(Quoting.literal($0.name)), \(Quoting.literal($0.value)))" }
        let result = try execute(
            """
            SELECT s.name, w.value, pg_catalog.set_config(s.name, w.value, false),
                   pg_catalog.current_setting('search_path'), pg_catalog.pg_backend_pid(),
                   EXTRACT(epoch FROM pg_catalog.pg_postmaster_start_time())
              FROM (VALUES \(values.joined(separator: ", "))) AS w (name, value)
              JOIN pg_catalog.pg_settings AS s ON s.name OPERATOR(pg_catalog.=) w.name
            """, doing: doing)
        for index in 0..<result.rowCount {
            let row = result.row(index)
            guard row[1] == row[2] else {
                throw PostgresError(
                    .unexpectedAnswer,
                    "\(row[0] ?? "a setting") was set to \"\(row[1] ?? "")\" but is \"\(row[2] ?? "")\"", doing: doing)
            }
        }
        activity?.confirm(backend: result.text(0, 4), serverStart: result.text(0, 5))
        let path = result.text(0, 3)
        guard let path, path.isEmpty || path == "\"\"" else {
            throw PostgresError(.unexpectedAnswer, "search_path is still \"\(path ?? "")\"", doing: doing)
        }
    }
}
