import Glibc
import Observability
import TestSupport
import Testing

/// What receive can be asked for besides streaming for ever into a spool.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct ReceiveOptionsTests {
    private static let schema = "CREATE TABLE t (id int PRIMARY KEY, v text)"

    @Test func hangupSealsTheOpenSegment() async throws {
        try await Rig.run(Self.schema) { rig in
            let receive = try rig.stage("receive", ["--dir", rig.spool])
            try await receive.awaitLog(containing: "streaming from slot")
            func awaitInserts(_ shown: String, _ count: Int) async throws {
                while try await rig.shell("\(shown) | grep -c '\"kind\":\"insert\"'").outputLines != ["\(count)"] {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            for count in 1...2 {
                // One that finds nothing to seal changes nothing.
                receive.signal(SIGHUP)
                try await rig.onSource("INSERT INTO t VALUES (\(count))")
                try await awaitInserts("inspect show --json \"$SPOOL\" 2>ignored", count)
                receive.signal(SIGHUP)
                try await awaitInserts(
                    "for s in \"$SPOOL\"/segments/*.lz4; do inspect show --json \"$s\"; done 2>ignored", count)
            }
            // Each can be read alone.
            for segment in try await rig.sealedSegments() {
                let shown = try await rig.shell("inspect show '\(segment)'").checked("inspect").output
                #expect(shown.contains("relation") == shown.contains("insert"), "\(shown)")
            }
            receive.signal(SIGTERM)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }

    @Test func untilIdleEndsWithEverything() async throws {
        try await Rig.run(createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            // A busy machine may hold the writers up for so long that the source counts as idle: they come first.
            try await Load.start(rig, seconds: 2).wait().checked("pgbench")
            let received = try await rig.receive("--until-idle").checked("receive")
            #expect(received.stderr.contains("the source is idle; ending at"))
            try await rig.apply()
            try await rig.expectEqual()
            expectRefusal(try await rig.receive("--until-idle", "--endpos", "current"), .usage, "receive", "--endpos")
        }
    }

    @Test func aTemporarySlotLeavesNothingBehind() async throws {
        let schema =
            Self.schema + "; CREATE TABLE beats (id serial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
        try await Rig.run(schema, publication: nil, createsSlot: false) { rig in
            // As long as small transactions come, however small, the source is not idle.
            let beats = try rig.start(
                """
                exec psql -Xq -d "$SOURCE" -c "DO 'BEGIN
                  WHILE NOT EXISTS (SELECT FROM t) LOOP
                    INSERT INTO beats DEFAULT VALUES; COMMIT; PERFORM pg_sleep(0.05);
                  END LOOP; END'"
                """)
            let receive = try rig.start(
                "receive --create-slot --temporary --start --until-idle --stdout | transform - | replay")
            try await receive.awaitLog(containing: "streaming from slot")
            let beat = try await rig.onSource("SELECT count(*) FROM beats")
            try await rig.source.awaitSQL(
                "SELECT count(*) > \(beat) + 80 FROM beats", equals: "t", database: rig.sourceDatabase)
            let isRunning = receive.isRunning
            try await rig.onSource("INSERT INTO t VALUES (1)")
            guard isRunning else {
                // A busy machine may have kept the writer from writing for so long.
                let pause =
                    "SELECT max(pause) > '1.5 s' FROM (SELECT at - lag(at) OVER (ORDER BY id) AS pause FROM beats) b"
                #expect(try await rig.onSource(pause) == "t", "\(receive.stderr)")
                return
            }
            try await beats.wait().checked("psql")
            try await receive.wait().checked("receive | transform | replay")
            #expect(try await rig.onTarget("SELECT id FROM t") == "1")
            let last = "SELECT max(id) FROM beats"
            #expect(try await rig.onTarget(last) == rig.onSource(last))
            let left = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = '\(rig.name)'"
            #expect(try await rig.onSource(left) == "0")
            #expect(try await rig.onSource("SELECT count(*) FROM pg_publication") == "0")
            expectRefusal(try await rig.receive("--create-slot", "--temporary"), .usage, "receive", "--start")
        }
    }

    @Test func preparedTransactionsArriveWhenTheyAreCommitted() async throws {
        let source = try await Cluster.start(name: "prepared", settings: ["max_prepared_transactions": "5"])
        try await Rig.run(Self.schema, source: source, createsSlot: false) { rig in
            expectRefusal(
                try await rig.receive("--create-slot", "--two-phase"), .usage, "receive", "COMMIT PREPARED")
            // It would send what the log has no form for.
            try await rig.onSource(
                "SELECT pg_create_logical_replication_slot('\(rig.name)', 'pgoutput', false, true)")
            expectRefusal(
                try await rig.receive("-q", "--endpos", "current"), .slotMismatch, "receive", "two_phase", "--slot")
            try await rig.receive("--drop-slot").checked("receive")
            try await rig.receive("--create-slot").checked("receive")
            try await rig.onSource(
                """
                BEGIN; INSERT INTO t VALUES (1, 'kept'); PREPARE TRANSACTION 'a';
                BEGIN; INSERT INTO t VALUES (2, 'undone'); PREPARE TRANSACTION 'b';
                INSERT INTO t VALUES (3, 'between');
                """)
            try await rig.catchUp()
            #expect(try await rig.onTarget("SELECT string_agg(v, ',') FROM t") == "between")
            try await rig.onSource("COMMIT PREPARED 'a'; ROLLBACK PREPARED 'b'")
            try await rig.catchUp()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT count(*) FROM t") == "2")
        }
        try await source.remove()
    }

    @Test func failoverNeedsASourceThatHasIt() async throws {
        try await Rig.run(createsSlot: false) { rig in
            if rig.source.installation.major < 17 {
                expectRefusal(
                    try await rig.receive("-q", "--create-slot", "--failover"), .unsuitableServer, "receive",
                    "--failover", "17")
            } else {
                try await rig.receive("--create-slot", "--failover").checked("receive")
                let slot = "SELECT failover FROM pg_replication_slots WHERE slot_name = '\(rig.name)'"
                #expect(try await rig.onSource(slot) == "t")
            }
        }
    }

    @Test func binaryValuesAreLoggedAndNotTransformed() async throws {
        try await Rig.run(Self.schema) { rig in
            try await rig.onSource("INSERT INTO t VALUES (7, 'seven')")
            try await rig.capture("--binary")
            try await rig.shell("inspect verify \"$SPOOL\" && inspect show \"$SPOOL\"").checked("inspect")
            let transformed = try await rig.shell("transform \"$SPOOL\" 2>&1 >rejected")
            #expect(transformed.exitCode == ExitStatus.conflict.rawValue, "\(transformed)")
            #expect(transformed.output.contains("binary"))
        }
    }

    @Test(arguments: ["9223372036854775807", "9223372036854776"])
    func aHugeIntervalIsNoTrap(_ seconds: String) async throws {
        try await Rig.run(Self.schema) { rig in
            for option in ["--status-interval", "--segment-age", "--fsync-interval"] {
                let finished = try await rig.receive("--endpos", "current", option, seconds)
                #expect(finished.signal == nil && [0, 2].contains(finished.exitCode), "\(option): \(finished)")
            }
        }
    }
}
