import Glibc
import Postgres
import TestSupport
import Testing

/// Stages that die in the middle of a load, and the same command lines again.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct KillTests {
    @Test(arguments: try await PostgresInstallation.withTargetMajors(["replay", "receive", "transform"]))
    func aKilledStageOfTheSpoolFormLosesNothing(_ victim: String, _ targetMajor: Int) async throws {
        try await underLoad(seconds: 4, targetMajor: targetMajor) { rig, load, random in
            var receiver = try receive(rig)
            var pipeline = try follow(rig, from: "0/0")
            var kills = 0
            while load.isRunning {
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...1100, using: &random)))
                if victim == "receive" {
                    try await receiver.kill(victim)
                    try await rig.awaitFreeSlot()
                    receiver = try receive(rig)
                } else {
                    try await pipeline.kill(victim, wakes: true)
                    pipeline = try follow(rig, from: try await rig.position())
                }
                kills += 1
            }
            #expect(kills > 0)
            try await stop(receiver, pipeline)
            try await rig.catchUp()
        }
    }

    @Test func aReaderOutlivesASegmentThatNeverBegan() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            // What a receive leaves that dies before it has written the segment's header.
            let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '\(rig.name)'"
            let position = try #require(LSN(try await rig.source.sql(confirmed)))
            let digits = String(position.rawValue, radix: 16, uppercase: true)
            let name = "00000001-" + String(repeating: "0", count: 16 - digits.count) + digits + ".seg.lz4.partial"
            try await rig.shell("mkdir -p \"$SPOOL/segments\" && : >\"$SPOOL/segments/\(name)\"").checked()
            let pipeline = try follow(rig, from: "0/0")
            try await Task.sleep(for: .milliseconds(300))
            try await rig.shell("cd \"$SPOOL/segments\" && mv \(name) \(name).damaged && : >other").checked()
            try await Task.sleep(for: .milliseconds(300))
            #expect(pipeline.isRunning, "\(pipeline.stderr)")
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            #expect(try await pipeline.end() == ["transform": 0, "replay": 0], "\(pipeline.stderr)")
            try await rig.expectEqual()
        }
    }

    @Test func aKilledStageOfThePipeFormLosesNothing() async throws {
        try await underLoad(seconds: 5) { rig, load, random in
            var victims = ["receive", "transform", "replay"]
            var kills = 0
            while load.isRunning {
                let pipeline = try Chain(
                    rig,
                    [
                        "receive": "--stdout --target \"$TARGET\" --origin \"$NAME\"",
                        "transform": "--from \(try await rig.position()) -", "replay": "",
                    ])
                try await Task.sleep(for: .milliseconds(Int.random(in: 200...1100, using: &random)))
                try await pipeline.kill(victims[0], wakes: true)
                victims.append(victims.removeFirst())
                kills += 1
                try await rig.awaitFreeSlot()
            }
            #expect(kills >= victims.count, "each of them was killed")
            let rest = "receive --stdout --endpos current | transform --from \"$(replay --position)\" - | replay"
            try await rig.shell(rest).checked("the last run")
        }
    }

    @Test func aTargetThatDiesLosesNothing() async throws {
        let target = try await Cluster.start(
            role: .target, name: "mortal", settings: ["fsync": "on", "full_page_writes": "on"])
        try await underLoad(seconds: 6, target: target) { rig, load, random in
            let receiver = try receive(rig)
            for blow in 0..<4 {
                let pipeline = try follow(rig, from: try await rig.position(), "--no-loop")
                try await pipeline.awaitLog(containing: "connected to the target")
                try await Task.sleep(for: .milliseconds(Int.random(in: 400...900, using: &random)))
                try await strike(target, rig.targetDatabase, blow)
                let codes = try await pipeline.end(wakes: true)
                #expect(codes == ["transform": 18, "replay": 3], "\(pipeline.stderr)")
                try await target.awaitSQL("SELECT 1", equals: "1")
            }
            try await load.wait().checked("pgbench")
            try await stop(receiver, try follow(rig, from: try await rig.position()))
            try await rig.catchUp()
        }
    }

    @Test(arguments: try await PostgresInstallation.targetMajors())
    func replayOutlivesItsTarget(_ targetMajor: Int) async throws {
        let target = try await Cluster.start(
            name: "phoenix", settings: ["fsync": "on", "full_page_writes": "on"],
            installation: .of(major: targetMajor))
        try await underLoad(seconds: 6, target: target) { rig, load, random in
            let receiver = try receive(rig)
            let pipeline = try follow(rig, from: try await rig.position(), "--spool \"$SPOOL\"")
            try await pipeline.awaitLog(containing: "connected to the target")
            for blow in 0..<4 {
                try await Task.sleep(for: .milliseconds(Int.random(in: 400...900, using: &random)))
                try await strike(target, rig.targetDatabase, blow)
                // Each blow ends a session that replay has by then, which it notices when there is something to apply.
                let deadline = ContinuousClock.now + .seconds(60)
                while pipeline.stderr.ranges(of: "connected to the target again").count <= blow {
                    try #require(pipeline.isRunning && ContinuousClock.now < deadline, "\(pipeline.stderr)")
                    try await rig.onSource("INSERT INTO ledger VALUES (0, 0, 'wake')")
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            try await load.wait().checked("pgbench")
            try await stop(receiver, pipeline)
            try await rig.catchUp()
        }
    }

    /// Ends replay's session in one of several ways.
    private func strike(_ target: Cluster, _ database: String, _ blow: Int) async throws {
        switch blow {
        case 0:
            // A killed backend makes the server end all sessions and recover.
            let backend = try await target.sql(
                "SELECT max(pid) FROM pg_stat_activity WHERE datname = '\(database)' AND application_name ~ '^walrelay'"
            )
            let pid = try #require(Int32(backend))
            Glibc.kill(pid, SIGKILL)
        case 1: try await target.restart(mode: .immediate)
        case 2: try await target.restart(mode: .fast)
        default:
            try await target.killServer()
            try await target.startAgain()
        }
    }

    private func receive(_ rig: Rig) throws -> Chain {
        try Chain(rig, ["receive": "--dir \"$SPOOL\" --segment-size 64kB"])
    }

    private func follow(_ rig: Rig, from position: String, _ replay: String = "") throws -> Chain {
        try Chain(rig, ["transform": "--from \(position) --follow \"$SPOOL\"", "replay": replay])
    }

    /// Ends all stages in good order.
    private func stop(_ receiver: Chain, _ pipeline: Chain) async throws {
        // A signal before a program has come to handle it would just end it.
        try await receiver.awaitLog(containing: "streaming from slot")
        try await pipeline.awaitLog(containing: "connected to the target")
        // Replay first: an end of its input before the signal would be a failure of transform to it.
        try await pipeline.signal("replay", SIGINT)
        try await pipeline.awaitLog(containing: "stopping:")
        try await pipeline.signal("transform", SIGINT)
        try await receiver.signal("receive", SIGINT)
        let codes = try await pipeline.end().merging(receiver.end()) { $1 }
        #expect(codes["receive"] == 0 && codes["replay"] == 0, "\(codes) \(pipeline.stderr)")
        // What it still has may find no reader any more.
        #expect([0, 18].contains(codes["transform"]), "\(codes) \(pipeline.stderr)")
    }

    /// Runs `body` while writers are at work, then compares.
    private func underLoad(
        seconds: Int, target: Cluster? = nil, targetMajor: Int? = nil,
        _ body: (Rig, RunningProgram, inout SeededRandom) async throws -> Void
    ) async throws {
        var random = SeededRandom(seed: 20_240_229)
        try await Rig.run(target: target, targetMajor: targetMajor, createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            let load = try Load.start(rig, seconds: seconds)
            try await body(rig, load, &random)
            try await load.wait().checked("pgbench")
            try await rig.expectEqual()
            #expect(Int(try await rig.onTarget("SELECT count(*) FROM ledger")) ?? 0 > 100)
        }
    }
}
