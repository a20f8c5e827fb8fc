import Postgres
import TestSupport
import Testing
import Threading

/// A database of its own with a publication and a table; slots are dropped with it.
@Suite(.timeLimit(.minutes(5))) struct ReplicationTests {
    private static let options = [
        (name: "proto_version", value: "1"), (name: "publication_names", value: "\"all\""),
    ]

    private func withDatabase<Value: Sendable>(
        _ body: @escaping @Sendable (ConnectionString) throws -> Value
    ) async throws -> Value {
        let cluster = try await Cluster.shared(.source)
        let database = try await cluster.createDatabase(prefix: "replication")
        try await cluster.sql(
            "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION \"all\" FOR ALL TABLES", database: database)
        let string = try await Server.string(database: database)
        do {
            let value = try await Worker.run(name: "replication") { try body(string) }
            try await cluster.dropDatabase(database)
            return value
        } catch {
            try? await cluster.dropDatabase(database)
            throw error
        }
    }

    private static func slotName(_ connection: Connection) -> String { connection.database + "_slot" }

    @Test func aServerTellsItsIdentity() async throws {
        try await withDatabase { string in
            let connection = try Connection(string, kind: .replication, applicationName: "tests")
            let identity = try connection.identifySystem()
            let sql = "SELECT system_identifier, pg_current_wal_flush_lsn() FROM pg_control_system()"
            let row = try connection.execute(sql, doing: "asking").row(0)
            #expect(identity.systemIdentifier == row[0])
            #expect(identity.timeline == 1)
            #expect(identity.position <= (row[1].flatMap { LSN($0) } ?? .zero))
            #expect(identity.database == connection.database)
        }
    }

    @Test func theExportedSnapshotSeesExactlyWhatTheSlotWillNotSend() async throws {
        try await withDatabase { string in
            let regular = try Connection(string, applicationName: "tests")
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            try regular.execute("INSERT INTO public.t VALUES (1)", doing: "inserting")
            var options = SlotOptions()
            options.isTemporary = true
            options.exportsSnapshot = true
            let slot = try walsender.createLogicalSlot(Self.slotName(walsender), options: options)
            try regular.execute("INSERT INTO public.t VALUES (2)", doing: "inserting")
            let snapshot = try #require(slot.snapshot)
            try regular.execute(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT \(Quoting.literal(snapshot))",
                doing: "importing")
            #expect(
                try regular.execute("SELECT string_agg(id::text, ',') FROM public.t", doing: "asking").text(0, 0) == "1"
            )
            let state = try #require(try SlotState.read(slot.slot, on: regular))
            #expect(state.confirmedFlush == slot.consistentPoint)
        }
    }

    @Test func aSlotWithoutSnapshotHasNone() async throws {
        try await withDatabase { string in
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            let regular = try Connection(string, applicationName: "tests")
            let name = Self.slotName(walsender)
            #expect(try walsender.createLogicalSlot(name, options: SlotOptions()).snapshot == nil)
            let twice = try #require(
                #expect(throws: PostgresError.self) {
                    try walsender.createLogicalSlot(name, options: SlotOptions())
                })
            #expect(twice.sqlState == .duplicateObject)
            #expect(try SlotState.read(name, on: regular) != nil)
            try walsender.dropSlot(name)
            #expect(try SlotState.read(name, on: regular) == nil)
            let missing = try #require(#expect(throws: PostgresError.self) { try walsender.dropSlot(name) })
            #expect(missing.sqlState == .undefinedObject)
        }
    }

    @Test func theStateOfASlotIsRead() async throws {
        try await withDatabase { string in
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            let regular = try Connection(string, applicationName: "tests")
            let created = try walsender.createLogicalSlot(Self.slotName(walsender), options: SlotOptions())
            let idle = try #require(try SlotState.read(created.slot, on: regular))
            #expect(idle.name == created.slot)
            #expect(idle.plugin == "pgoutput")
            #expect(idle.database == walsender.database)
            #expect(idle.activePID == nil)
            #expect(idle.confirmedFlush == created.consistentPoint)
            #expect(try #require(idle.restart) <= created.consistentPoint)
            #expect(idle.walStatus == "reserved")
            let stream = try ReplicationStream(walsender, slot: created.slot, from: .zero, options: Self.options)
            #expect(try SlotState.read(created.slot, on: regular)?.activePID == walsender.backendPID)
            stream.finish()
        }
    }

    @Test func messagesComeInOrderAndAStatusMovesTheSlot() async throws {
        try await withDatabase { string in
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            let regular = try Connection(string, applicationName: "tests")
            let slot = try walsender.createLogicalSlot(Self.slotName(walsender), options: SlotOptions())
            try regular.execute("INSERT INTO public.t VALUES (1)", doing: "inserting")
            let sql = Cluster.commitPositionQuery
            let end = try #require(try regular.execute(sql, doing: "asking").text(0, 0).flatMap { LSN($0) })

            let stream = try ReplicationStream(
                walsender, slot: slot.slot, from: slot.consistentPoint, options: Self.options)
            var log = StreamLog()
            try log.read(stream) { $0.kinds.contains("C") }
            #expect(log.kinds == ["B", "R", "I", "C"])
            #expect(log.positions.allSatisfy { $0 == .zero || (slot.consistentPoint...end).contains($0) })

            #expect(try SlotState.read(slot.slot, on: regular)?.confirmedFlush == slot.consistentPoint)
            // What other tests write lies between, and the server may answer before it has read that.
            let patience = Deadline.after(milliseconds: 10_000)
            repeat {
                let before = log.keepalives
                try stream.sendStatus(written: end, flushed: end, replyRequested: true)
                try log.read(stream) { $0.keepalives > before }
            } while log.walEnd < end && !patience.hasPassed
            #expect(log.walEnd >= end)
            // The server answers before it moves the slot.
            while try SlotState.read(slot.slot, on: regular)?.confirmedFlush != end, !patience.hasPassed {
                _ = Polling.wait(-1, until: .after(milliseconds: 10))
            }
            #expect(try SlotState.read(slot.slot, on: regular)?.confirmedFlush == end)

            // What is received but not flushed is no reason to forget it.
            try stream.sendStatus(written: LSN(rawValue: end.rawValue + 4096), flushed: end)
            stream.finish()
            try log.read(stream) { $0.isEnded }
            #expect(try SlotState.read(slot.slot, on: regular)?.confirmedFlush == end)
            #expect(try walsender.execute("SELECT 1", doing: "asking").text(0, 0) == "1")
        }
    }

    @Test func aStreamThatCannotStartSaysWhy() async throws {
        try await withDatabase { string in
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            let name = Self.slotName(walsender)
            let missing = try #require(
                #expect(throws: PostgresError.self) {
                    _ = try ReplicationStream(walsender, slot: name, from: .zero, options: Self.options)
                })
            #expect(missing.sqlState == .undefinedObject)
            _ = try walsender.createLogicalSlot(name, options: SlotOptions())
            let refused = try #require(
                #expect(throws: PostgresError.self) {
                    _ = try ReplicationStream(walsender, slot: name, from: .zero, options: [("no_option", "it's")])
                })
            #expect(refused.code == .server)
            let stream = try ReplicationStream(walsender, slot: name, from: .zero, options: Self.options)
            let second = try Connection(string, kind: .replication, applicationName: "tests")
            let busy = try #require(
                #expect(throws: PostgresError.self) {
                    _ = try ReplicationStream(second, slot: name, from: .zero, options: Self.options)
                })
            #expect(busy.sqlState == .objectInUse)
            stream.finish()
        }
    }

    @Test func aStreamWhoseBackendIsTerminatedIsLost() async throws {
        try await withDatabase { string in
            let walsender = try Connection(string, kind: .replication, applicationName: "tests")
            let regular = try Connection(string, applicationName: "tests")
            let slot = try walsender.createLogicalSlot(Self.slotName(walsender), options: SlotOptions())
            let stream = try ReplicationStream(walsender, slot: slot.slot, from: .zero, options: Self.options)
            let pid = "\(walsender.backendPID)"
            try regular.query("SELECT pg_terminate_backend($1::int, 10000)", [pid], doing: "ending")
            var log = StreamLog()
            let error = try #require(
                #expect(throws: PostgresError.self) { try log.read(stream) { $0.isEnded } })
            #expect(error.code == .connectionLost)
            #expect(error.sqlState == .adminShutdown)
            #expect(throws: PostgresError.self) { try walsender.execute("SELECT 1", doing: "asking") }
        }
    }
}
