import Postgres
import TestSupport
import Testing
import Threading

@Suite(.timeLimit(.minutes(5))) struct ConnectionTests {
    /// Runs `body` with an open session on a thread of its own.
    private func session<Value: Sendable>(
        _ body: @escaping @Sendable (Connection) throws -> Value
    ) async throws -> Value {
        let string = try await Server.string()
        return try await Worker.run(name: "session") { try body(Connection(string, applicationName: "tests")) }
    }

    private func refusal(_ string: ConnectionString) async throws -> PostgresError {
        try #require(
            await #expect(throws: PostgresError.self) {
                try await Worker.run(name: "session") { _ = try Connection(string, applicationName: "tests") }
            })
    }

    @Test func aSessionKnowsWhomItTalksTo() async throws {
        let cluster = try await Cluster.shared(.source)
        let port = cluster.port
        try await session { connection in
            #expect(connection.database == "postgres")
            #expect(connection.user == "postgres")
            #expect(connection.serverVersion >= 100_000)
            #expect(connection.parameterStatus("server_encoding") == "UTF8")
            #expect(connection.target.contains("port=\(port)"))
            let row = try connection.execute(
                "SELECT pg_backend_pid(), current_setting('application_name')", doing: "asking")
            #expect(row.row(0) == ["\(connection.backendPID)", "tests"])
        }
    }

    @Test func aHostWithoutAServerCannotBeReached() async throws {
        let error = try await refusal(ConnectionString("host=/nowhere/at/all password=s3cret dbname=app"))
        #expect(error.code == .cannotConnect)
        #expect(error.message.contains("/nowhere/at/all"))
        // It is asked once, by the library.
        #expect(error.message.contains("Is the server running") && !error.message.contains("reachable?"), "\(error)")
        #expect(!String(reflecting: error).contains("s3cret"))
        #expect(!error.description.contains("\n"))
    }

    @Test func aMissingDatabaseIsNamedAndIsNoDoubtAboutTheServer() async throws {
        let error = try await refusal(Server.string(database: "no such database"))
        #expect(error.code == .cannotConnect)
        #expect(error.message.contains("no such database"))
        #expect(!error.message.contains("is the server running"))
    }

    @Test func nullParametersAreNullAndEmptyOnesAreNot() async throws {
        try await session { connection in
            let result = try connection.query(
                "SELECT $1::text IS NULL, $2::text = '', $3::text, $1::text", [nil, "", "it's \\ \n\"ü\""],
                doing: "asking")
            #expect(result.row(0) == ["t", "t", "it's \\ \n\"ü\"", nil])
            #expect(result.text(1, 0) == nil)
            #expect(result.text(0, 4) == nil)
            #expect(result.text(-1, -1) == nil)
        }
    }

    @Test func theRowsThatAStatementTouchedAreReported() async throws {
        try await session { connection in
            try connection.execute("CREATE TEMPORARY TABLE t (id int)", doing: "creating")
            let inserted = try connection.execute("INSERT INTO t VALUES (1), (2), (3)", doing: "inserting")
            #expect(inserted.affectedRows == 3)
            #expect(inserted.commandTag == "INSERT 0 3")
            #expect(try connection.query("DELETE FROM t WHERE id = $1", ["9"], doing: "deleting").affectedRows == 0)
            #expect(try connection.execute("BEGIN; COMMIT", doing: "nothing").affectedRows == nil)
        }
    }

    @Test func aSettingIsSetOrItIsAnError() async throws {
        try await session { connection in
            try connection.set("search_path", to: "")
            try connection.set("DateStyle", to: "ISO")
            try connection.set("statement_timeout", to: "0")
            try connection.set("application_name", to: "it's")
            #expect(try connection.execute("SHOW application_name", doing: "asking").text(0, 0) == "it's")
            // The server takes it, but says something else than was asked for.
            let other = try #require(
                #expect(throws: PostgresError.self) { try connection.set("work_mem", to: "1024") })
            #expect(other.code == .unexpectedAnswer)
            #expect(other.description == "setting work_mem to 1024: the server still says \"1MB\"")
            let unknown = try #require(
                #expect(throws: PostgresError.self) { try connection.set("no_such_setting", to: "1") })
            #expect(unknown.sqlState?.rawValue == "42704")
        }
    }

    @Test func anErrorCarriesTheServersFieldsAndShowsValuesOnlyWhenDebugged() async throws {
        try await session { connection in
            try connection.execute(
                "CREATE TEMPORARY TABLE people (mail text CONSTRAINT one_mail UNIQUE); "
                    + "INSERT INTO people VALUES ('a@b')",
                doing: "creating")
            let error = try #require(
                #expect(throws: PostgresError.self) {
                    try connection.execute("INSERT INTO people VALUES ('a@b')", doing: "applying row 7")
                })
            #expect(error.code == .server)
            #expect(error.sqlState == SQLState(rawValue: "23505"))
            #expect(error.sqlState?.errorClass == "23")
            #expect(error.object?.table == "people")
            #expect(error.object?.constraint == "one_mail")
            #expect(error.description.hasPrefix("applying row 7: duplicate key"))
            #expect(error.description.hasSuffix("(SQLSTATE 23505)"))
            #expect(!error.description.contains("a@b"))
            #expect(!"\(error)".contains("a@b"))
            #expect(error.debugDescription.contains("a@b"))
            // The session continues.
            #expect(try connection.execute("SELECT 1", doing: "asking").text(0, 0) == "1")
        }
    }

    @Test func hintsAreShownOnOneLine() async throws {
        try await session { connection in
            let error = try #require(
                #expect(throws: PostgresError.self) {
                    try connection.execute(
                        "DO $$BEGIN RAISE 'one\n  two' USING HINT = E'do\\nthis'; END$$", doing: "raising")
                })
            #expect(error.description == "raising: one two (SQLSTATE P0001); hint: do this")
        }
    }

    @Test func aSessionThatTheServerEndsIsLost() async throws {
        let string = try await Server.string()
        try await session { connection in
            let other = try Connection(string, applicationName: "tests")
            let pid = "\(connection.backendPID)"
            try other.query("SELECT pg_terminate_backend($1::int, 10000)", [pid], doing: "ending")
            let error = try #require(
                #expect(throws: PostgresError.self) { try connection.execute("SELECT 1", doing: "asking") })
            #expect(error.code == .connectionLost)
            let again = try #require(
                #expect(throws: PostgresError.self) { try connection.execute("SELECT 1", doing: "asking") })
            #expect(again.code == .connectionLost)
        }
    }

    @Test func aSessionThatEndsDuringItsStatementIsLost() async throws {
        try await session { connection in
            let error = try #require(
                #expect(throws: PostgresError.self) {
                    try connection.execute("SELECT pg_terminate_backend(pg_backend_pid())", doing: "asking")
                })
            #expect(error.code == .connectionLost)
        }
    }

    @Test func severalStatementsGiveTheirResultsOneByOne() async throws {
        try await session { connection in
            let sql = Array("CREATE TEMPORARY TABLE t (v text); COPY t FROM stdin; SELECT count(*) FROM t".utf8)
            #expect(throws: PostgresError.self) {
                try sql.withUnsafeBytes { try connection.send(zeroTerminated: $0, doing: "sending") }
            }
            try (sql + [0]).withUnsafeBytes { try connection.send(zeroTerminated: $0, doing: "sending") }
            #expect(try connection.nextResult(doing: "creating")?.commandTag == "CREATE TABLE")
            #expect(try connection.nextResult(doing: "copying")?.isCopyIn == true)
            try Array("a\nb".utf8).withUnsafeBytes { try connection.putCopyData($0, doing: "copying") }
            try Array("c\n".utf8).withUnsafeBytes { try connection.putCopyData($0, doing: "copying") }
            try connection.endCopy(doing: "copying")
            #expect(try connection.nextResult(doing: "copying")?.affectedRows == 2)
            #expect(try connection.nextResult(doing: "counting")?.text(0, 0) == "2")
            #expect(try connection.nextResult(doing: "counting") == nil)
        }
    }
}
