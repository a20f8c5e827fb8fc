import Glibc
import TestSupport
import Testing

/// One server that is stopped, killed and removed in all ways: a test of its own, not on the shared servers.
@Suite(.timeLimit(.minutes(5)))
struct ClusterTests {
    @Test func startsStopsAndLeavesNothing() async throws {
        let cluster = try await Cluster.start(
            name: "life", settings: ["max_connections": "13", "cluster_name": "it's"]
        )
        #expect(try await cluster.sql("SHOW max_connections") == "13")
        #expect(try await cluster.sql("SHOW cluster_name") == "it's")
        #expect(try await cluster.sql("SHOW wal_level") == "logical")
        #expect(try await cluster.sql("SHOW server_version").hasPrefix(cluster.installation.version))
        #expect(cluster.host.utf8.count + "/.s.PGSQL.65535".utf8.count < 108)
        #expect(cluster.serverLogTail().contains("database system is ready"))

        let pid = try #require(cluster.serverPID)
        try await cluster.stop()
        #expect(!isAlive(pid))
        #expect(cluster.serverPID == nil)
        try await cluster.stop()
        try await cluster.startAgain()
        try await cluster.sql("CREATE TABLE kept AS SELECT 1 AS one; CHECKPOINT")
        for mode in [ServerStopMode.smart, .immediate] {
            try await cluster.restart(mode: mode)
            #expect(try await cluster.sql("SELECT one FROM kept") == "1")
        }

        let killed = try #require(cluster.serverPID)
        try await cluster.killServer()
        #expect(!isAlive(killed))
        try await cluster.startAgain()
        #expect(try await cluster.sql("SELECT one FROM kept") == "1")

        let last = try #require(cluster.serverPID)
        #expect(exists(cluster.folder))
        try await cluster.remove()
        #expect(!isAlive(last))
        #expect(!exists(cluster.folder))
    }

    @Test func removesWhatAKilledServerLeaves() async throws {
        let cluster = try await Cluster.start(name: "killed")
        // The seventh line of the file holds key and id of the shared memory that only the postmaster removes.
        let file = try await Program.shell("sed -n 7p '\(cluster.dataFolder)/postmaster.pid'").checked()
        let memory = try #require(file.output.split(whereSeparator: \.isWhitespace).last.map(String.init))
        let segments = "awk '{ print $2 }' /proc/sysvipc/shm"
        #expect(try await Program.shell(segments).outputLines.contains(memory))
        try await cluster.killServer()
        try await cluster.remove()
        #expect(!exists(cluster.folder))
        #expect(try await !Program.shell(segments).outputLines.contains(memory))
    }

    @Test func isRemovedWhenForgotten() async throws {
        var cluster: Cluster? = try await Cluster.start(name: "forgotten")
        let folder = try #require(cluster?.folder)
        let pid = try #require(cluster?.serverPID)
        cluster = nil
        #expect(try await becomesTrue { !exists(folder) && !isAlive(pid) })
    }

    @Test func saysWhyItDoesNotStart() async throws {
        let error = await #expect(throws: ClusterError.self) {
            try await Cluster.start(name: "broken", settings: ["no_such_setting": "1"])
        }
        #expect(String(describing: error).contains("unrecognized configuration parameter \"no_such_setting\""))
    }

    @Test func connectsInBothForms() async throws {
        let cluster = try await Cluster.shared(.source)
        let database = try await cluster.createDatabase(prefix: "odd 'name' /ü")
        for form in [cluster.connectionString(database: database), cluster.uri(database: database)] {
            let psql = "\(cluster.installation.bindir)/psql"
            let finished = try await Program.run(psql, ["-XAt", "-d", form, "-c", "SELECT current_database()"])
            #expect(finished.outputLines == [database])
        }
        try await cluster.dropDatabase(database)
    }

    @Test func passesSQLAsItIs() async throws {
        let cluster = try await Cluster.shared(.source)
        #expect(try await cluster.sql("SELECT 'ü\r\n$HOME \\', '-v'") == "ü\r\n$HOME \\|-v")
        #expect(try await cluster.sqlLines("SELECT generate_series(1, 3)") == ["1", "2", "3"])
        #expect(try await cluster.sqlLines("SELECT 1 WHERE false") == [])
        let latin1 = Array("SET client_encoding = LATIN1; SELECT length('".utf8) + [0xfc] + Array("')".utf8)
        #expect(try await cluster.sql(latin1) == "1")
    }

    @Test func throwsWhatPsqlSays() async throws {
        let cluster = try await Cluster.shared(.source)
        let error = await #expect(throws: ClusterError.self) { try await cluster.sql("SELECT 1; SELECT nonsense") }
        guard case .sql(_, let stderr) = error else {
            Issue.record("not an SQL error: \(String(describing: error))")
            return
        }
        #expect(stderr.contains("column \"nonsense\" does not exist"))
    }

    @Test func awaitsAValue() async throws {
        let cluster = try await Cluster.shared(.source)
        let database = try await cluster.createDatabase()
        async let late = cluster.sql("SELECT pg_sleep(0.3); CREATE TABLE t AS SELECT 5 AS a", database: database)
        try await cluster.awaitSQL("SELECT a FROM t", equals: "5", database: database)
        _ = try await late
        let error = await #expect(throws: ClusterError.self) {
            try await cluster.awaitSQL("SELECT a FROM t", equals: "6", database: database, within: .milliseconds(100))
        }
        #expect(String(describing: error).contains("last seen: 5"))
        try await cluster.dropDatabase(database)
    }

    @Test func endsOfCommitsAreBeforeAPagesHeader() async throws {
        let cluster = try await Cluster.shared(.source)
        let cases = [
            ("0/4616E018", "0/4616E000"), ("0/4616E000", "0/4616E000"), ("0/4616E028", "0/4616E028"),
            ("0/47000028", "0/47000000"), ("0/47000018", "0/47000018"), ("1/28", "1/0"), ("0/4616E020", "0/4616E020"),
        ]
        for (insert, commit) in cases {
            let query = Cluster.commitPositionQuery
            let asked = query.replacing("pg_current_wal_insert_lsn()", with: "pg_lsn('\(insert)')")
            #expect(try await cluster.sql(asked) == commit)
        }
    }

    @Test func dropsADatabaseInUse() async throws {
        let cluster = try await Cluster.shared(.target)
        let database = try await cluster.createDatabase(prefix: "used")
        try await cluster.sql(
            "SELECT pg_create_logical_replication_slot('used_slot', 'pgoutput'); CREATE PUBLICATION p",
            database: database
        )
        let receiver = try Program.start(
            "\(cluster.installation.bindir)/pg_recvlogical",
            [
                "-d", cluster.connectionString(database: database), "--slot=used_slot", "--start", "--no-loop",
                "-o", "proto_version=1", "-o", "publication_names=p", "-f", "/dev/null",
            ]
        )
        try await cluster.awaitSQL(
            "SELECT active FROM pg_replication_slots WHERE slot_name = 'used_slot'", equals: "t"
        )
        try await cluster.dropDatabase(database)
        #expect(try await receiver.wait().exitCode == 1)
        #expect(try await cluster.sql("SELECT count(*) FROM pg_database WHERE datname = '\(database)'") == "0")
    }

    @Test func sharesOneServerPerRole() async throws {
        async let first = Cluster.shared(.source)
        async let second = Cluster.shared(.source)
        let target = try await Cluster.shared(.target)
        #expect(try await first === second)
        #expect(try await first !== target)
        #expect(try await first.port != target.port)
    }
}
