import Glibc
import TestSupport
import Testing

/// A disk without space, and then with space again.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct DiskFullTests {
    private static let schema = "CREATE TABLE ledger (v int, s text); ALTER TABLE ledger REPLICA IDENTITY FULL;"

    /// Mounting a file system of a few megabytes takes root, and in a container a privilege besides.
    private static let canMount: Bool = {
        guard getuid() == 0, let folder = try? TemporaryFolder("mount") else { return false }
        guard mount("tmpfs", folder.path, "tmpfs", 0, "size=64k") == 0 else { return false }
        umount(folder.path)
        return true
    }()

    /// - Parameter memory: what the source may keep of a transaction before it sends it in progress, so that either the
    ///   log meets the full disk, or a transaction that is collected beside it.
    @Test(.enabled(if: canMount, "mounting a tmpfs needs root"), arguments: ["64kB", "64MB"])
    func aFullDiskIsWaitedFor(_ memory: String) async throws {
        let source = try await Cluster.start(name: "full", settings: ["logical_decoding_work_mem": memory])
        try await Rig.run(Self.schema, source: source) { rig in
            try await rig.shell("mkdir \"$SPOOL\" && mount -t tmpfs -o size=6m tmpfs \"$SPOOL\"").checked("mount")
            defer { umount2(rig.spool, Int32(MNT_DETACH)) }
            try await rig.shell("head -c 5500000 /dev/zero >\"$SPOOL/filler\"").checked("head")
            let receive = try rig.stage(
                "receive", ["--dir", rig.spool, "--min-free", "0", "--segment-size", "64kB", "--status-interval", "1"])
            try await receive.awaitLog(containing: "streaming from slot")
            for _ in 0..<3 {
                try await rig.onSource(
                    "INSERT INTO ledger SELECT i, md5(random()::text) FROM generate_series(1, 10000) i")
            }
            while !String(decoding: (try? rig.folder.read("spool/state/receive.json")) ?? [], as: UTF8.self)
                .contains("disk full")
            {
                // The status file has no room either, now and then.
                if receive.stderr.contains("disk full") { break }
                try #require(receive.isRunning, "\(receive.stderr)")
                try await Task.sleep(for: .milliseconds(20))
            }
            // What is on disk, and no more, was acknowledged.
            let behind =
                "SELECT confirmed_flush_lsn < pg_current_wal_lsn() FROM pg_replication_slots WHERE slot_name = '\(rig.name)'"
            #expect(try await rig.onSource(behind) == "t")
            try await rig.onSource("INSERT INTO ledger VALUES (0, 'while full')")
            #expect(try await rig.onSource(behind) == "t")
            try await rig.shell("rm \"$SPOOL/filler\"").checked("rm")
            let last = try await rig.onSource(Cluster.commitPositionQuery)
            try await source.awaitSQL(
                "SELECT confirmed_flush_lsn >= '\(last)' FROM pg_replication_slots WHERE slot_name = '\(rig.name)'",
                equals: "t")
            receive.signal(SIGTERM)
            try await receive.wait().checked("receive")
            try await rig.awaitFreeSlot()
            try await rig.catchUp()
            try await rig.expectEqual()
            #expect(try await rig.onTarget("SELECT count(*) FROM ledger") == "30001")
        }
        try await source.remove()
    }
}
