import TestSupport
import Testing

/// A spool that may not grow.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct QuotaTests {
    private static let schema = "CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;"

    @Test func fullSpoolHoldsReadingBackAndLosesNothing() async throws {
        try await Rig.run(Self.schema) { rig in
            let receive = try rig.stage(
                "receive", ["--dir", rig.spool, "--max-spool-size", "64kB", "--segment-size", "64kB"])
            try await receive.awaitLog(containing: "streaming from slot")
            for _ in 0..<4 {
                try await rig.onSource(
                    "INSERT INTO ledger SELECT i, md5(random()::text) FROM generate_series(1, 3000) i")
            }
            try await receive.awaitLog(containing: "--max-spool-size")
            let before = try await rig.source.sql(
                "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'")
            try await rig.onSource("INSERT INTO ledger SELECT i, 'late' FROM generate_series(1, 3000) i")
            // It is said in the log, and then in the file.
            try await rig.shell(
                "until grep -q '\"state\":\"spool full\"' \"$SPOOL/state/receive.json\"; do sleep 0.05; done"
            )
            .checked("waiting for the status")
            let after = try await rig.source.sql(
                "SELECT confirmed_flush_lsn < pg_current_wal_lsn() FROM pg_replication_slots "
                    + "WHERE slot_name = '\(rig.name)'")
            #expect(after == "t", "a full spool acknowledged what it does not hold (it was at \(before))")
            receive.signal(15)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
        }
    }
}
