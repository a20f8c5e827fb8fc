import Failpoints
import Glibc
import TestSupport
import Testing

/// `replay`, the server process that serves it, and the target's whole server, killed at each named point and at random
/// moments under load; then the target has every row once.
///
/// `tools/crash` sets WALRELAY_CRASH_SEED and WALRELAY_CRASH_KILLS; without them this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct ReplayCrashTests {
    private static let seed = number("WALRELAY_CRASH_SEED") ?? 1
    private static let kills = number("WALRELAY_CRASH_KILLS")

    private static func number(_ variable: String) -> UInt64? {
        getenv(variable).flatMap { UInt64(String(cString: $0)) }
    }

    /// Who dies.
    private enum Victim: CaseIterable {
        case replay
        case backend
        case server
    }

    /// How replay works.
    enum Mode: String, CaseIterable, CustomTestStringConvertible {
        case asynchronous = ""
        case synchronous = "--synchronous-commit on"
        case lanes = "--jobs 3 --jobs-min-changes 1"

        var testDescription: String { rawValue }

        /// How transform writes for it.
        var transform: String { self == .lanes ? "--lanes 3" : "" }

        /// Points that only it has, or does not come to. How several connections level is for a start after a crash.
        func reaches(_ point: Failpoint) -> Bool {
            switch point {
            case .duringLaneCommits, .betweenLaneCommits: self == .lanes
            case .beforeLevelCommit: false
            default: true
            }
        }

        /// All in a campaign, and one in the small share.
        static func chosen(_ one: Mode) -> [Mode] { ReplayCrashTests.kills == nil ? [one] : allCases }
    }

    @Test(arguments: Mode.chosen(.asynchronous))
    func everyNamedPoint(_ mode: Mode) async throws {
        try await underLoad(mode) { rig, random in
            let points = Failpoint.allCases.filter { $0.owner == .replay && mode.reaches($0) }
            for (index, point) in points.enumerated() {
                let turn = Victim.allCases[index % 3]
                for victim in Self.kills == nil ? [turn] : Victim.allCases {
                    try await strike(rig, victim, at: point, time: Int.random(in: 1...3, using: &random), mode)
                }
            }
        }
    }

    @Test(arguments: Mode.chosen(.lanes))
    func randomMoments(_ mode: Mode) async throws {
        try await underLoad(mode) { rig, random in
            var replay = try await ReplayVictim(rig, mode)
            for _ in 0..<(Self.kills ?? 6) {
                // From before it is connected to well into the stream.
                try await Task.sleep(for: .milliseconds(Int.random(in: 10...600, using: &random)))
                if !replay.isRunning {
                    // Who finds no target at its start does not wait for one.
                    #expect(try await replay.end() == 3 && !replay.wasConnected, "\(replay.log)")
                    replay = try await ReplayVictim(rig, mode)
                }
                switch Victim.allCases.randomElement(using: &random) {
                case .backend: try await replay.killBackend()
                case .server: try await rig.target.restart(mode: .immediate)
                default:
                    try await replay.kill()
                    replay = try await ReplayVictim(rig, mode)
                }
            }
            try await replay.kill()
        }
    }

    /// Kills the victim when replay is at the point.
    private func strike(
        _ rig: Rig, _ victim: Victim, at point: Failpoint, time: Int, _ mode: Mode
    ) async throws {
        let isReconnect = point == .beforeReconnect || point == .afterReconnect
        let stops = victim == .replay ? "" : ":stop"
        let replay = try await ReplayVictim(
            rig, mode, failpoint: "\(point.rawValue):\(isReconnect ? 1 : time)\(stops)")
        if isReconnect {
            try await replay.awaitLog(containing: "connected to the target")
            try await replay.killBackend()
        }
        if victim == .replay {
            let code = try await replay.end()
            #expect(code == 128 + SIGKILL, "\(point.rawValue) was not reached: \(replay.log)")
            return
        }
        try await replay.awaitStop()
        // At its start it makes the connections of the last run equal, and does not wait for a target that is gone.
        let isLevelling = !replay.wasConnected && replay.log.contains("cut off between its connections")
        // A connection that is not there cannot be killed.
        if victim == .backend, point != .beforeReconnect {
            try await replay.killBackend()
        } else {
            try await rig.target.restart(mode: .immediate)
        }
        replay.signal(SIGCONT)
        if isLevelling {
            #expect(try await replay.end() == 3, "\(replay.log)")
            return
        }
        if point != .beforeReconnect {
            try await replay.awaitLog(containing: "connected to the target again", times: isReconnect ? 2 : 1)
        }
        #expect(replay.isRunning, "\(replay.log)")
        try await replay.kill()
    }

    // MARK: What remains

    private func underLoad(_ mode: Mode, _ body: (Rig, inout SeededRandom) async throws -> Void) async throws {
        let target = try await Cluster.start(
            name: "crash target", settings: ["fsync": "on", "full_page_writes": "on"])
        try await Rig.run(target: target, createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await Load.preparePairs(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            var random = SeededRandom(seed: Self.seed)
            let load = try Load.startWithSwaps(rig, seed: Int(Self.seed % 1_000_000))
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--segment-size", "1MB"])
            try await receive.awaitLog(containing: "streaming from slot")
            try await body(rig, &random)
            #expect(load.isRunning, "\(load.stderr)")
            #expect(receive.isRunning, "\(receive.stderr)")
            load.signal(SIGINT)
            _ = try await load.wait()
            receive.signal(SIGINT)
            _ = try await receive.wait()
            try await rig.awaitFreeSlot()
            try await rig.capture()
            try await rig.shell(
                "transform \(mode.transform) --from \"$(replay --position)\" \"$SPOOL\" | "
                    + "replay --spool \"$SPOOL\" \(mode.rawValue)",
                timeout: .seconds(600)
            ).checked("transform | replay")
            try await rig.onTarget("DROP SCHEMA IF EXISTS walrelay CASCADE")
            try await rig.expectEqual()
            #expect(Int(try await rig.onTarget("SELECT count(*) FROM ledger")) ?? 0 > 100)
        }
        try await target.remove()
    }
}
