import Failpoints
import Glibc
import TestSupport
import Testing

/// `replay`, the server process that serves it, and the target's whole server, killed at each named point and at random
/// moments under load; then the target has every row once.
///
/// `tools/crash replay` runs many kills; without it this is a small fixed share.
@Suite(.serialized, .timeLimit(.minutes(60)))
struct ReplayCrashTests {
    /// Who dies.
    private enum Victim: CaseIterable {
        /// The program that applies.
        case program
        case backend
        case server
    }

    /// How changes are applied.
    enum Mode: String, CaseIterable, CustomTestStringConvertible {
        case asynchronous = "sync off"
        case synchronous = "sync on"
        case lanes = "three lanes"
        case psql

        var testDescription: String { rawValue }

        /// How transform writes for it. psql cannot apply swaps as net changes; they are left out of its load.
        var transform: String { self == .lanes ? "--lanes 3" : "" }

        /// What replay is told.
        var replay: String {
            switch self {
            case .asynchronous, .psql: ""
            case .synchronous: "--synchronous-commit on"
            case .lanes: "--jobs 3 --jobs-min-changes 1"
            }
        }

        /// The program that applies, for a shell.
        var program: String {
            self == .psql
                ? "psql -Xq -o /dev/null -v ON_ERROR_STOP=1 -d \"$TARGET\""
                : "replay --target \"$TARGET\" --origin \"$NAME\" --spool \"$SPOOL\" --report-dir \"$FOLDER\" \(replay)"
        }

        /// Points that only it has, or does not come to. How several connections level is for a start after a crash.
        func reaches(_ point: Failpoint) -> Bool {
            switch point {
            case .duringLaneCommits, .betweenLaneCommits: self == .lanes
            case .beforeLevelCommit: false
            default: self != .psql
            }
        }

        /// All in a campaign, and some in the small share.
        static func chosen(_ share: [Mode]) -> [Mode] { Campaign.isRunning ? allCases : share }
    }

    @Test(arguments: Mode.chosen([.asynchronous]).filter { $0 != .psql })
    func everyNamedPoint(_ mode: Mode) async throws {
        try await underLoad(mode, "named points") { rig, random in
            let points = Failpoint.allCases.filter { $0.owner == .replay && mode.reaches($0) }
            var kills = 0
            for (index, point) in points.enumerated() {
                let turn = Victim.allCases[index % 3]
                for victim in Campaign.isRunning ? Victim.allCases : [turn] {
                    try await strike(rig, victim, at: point, time: Int.random(in: 1...3, using: &random), mode)
                    kills += 1
                }
            }
            return kills
        }
    }

    @Test(arguments: Mode.chosen([.lanes, .psql]))
    func randomMoments(_ mode: Mode) async throws {
        let wanted = Campaign.size ?? 6
        try await underLoad(mode, "random moments") { rig, random in
            var victim = try await ReplayVictim(rig, mode)
            var kills = 0
            // A blow that falls between two sessions hits nobody; those have an end.
            for _ in 0..<(3 * wanted + 10) where kills < wanted {
                // From before it is connected to well into the stream.
                try await Task.sleep(for: .milliseconds(Int.random(in: 10...600, using: &random)))
                if !victim.isRunning {
                    try await victim.expectEndWithItsTarget()
                    victim = try await ReplayVictim(rig, mode)
                }
                switch Victim.allCases.randomElement(using: &random) {
                case .backend: kills += try await victim.killBackend() ? 1 : 0
                case .server:
                    try await rig.target.restart(mode: .immediate)
                    kills += 1
                default:
                    kills += try await victim.kill() ? 1 : 0
                    victim = try await ReplayVictim(rig, mode)
                }
            }
            _ = try await victim.kill()
            #expect(kills == wanted)
            return kills
        }
    }

    /// Kills the victim when replay is at the point.
    private func strike(
        _ rig: Rig, _ victim: Victim, at point: Failpoint, time: Int, _ mode: Mode
    ) async throws {
        let isReconnect = point == .beforeReconnect || point == .afterReconnect
        let stops = victim == .program ? "" : ":stop"
        let replay = try await ReplayVictim(
            rig, mode, failpoint: "\(point.rawValue):\(isReconnect ? 1 : time)\(stops)")
        if isReconnect {
            try await replay.awaitLog(containing: "connected to the target")
            #expect(try await replay.killBackend())
        }
        if victim == .program {
            let code = try await replay.end()
            #expect(code == 128 + SIGKILL, "\(point.rawValue) was not reached: \(replay.log)")
            return
        }
        try await replay.awaitStop()
        // At its start it makes the connections of the last run equal, and does not wait for a target that is gone.
        let isLevelling = !replay.wasConnected && replay.log.contains("cut off between its connections")
        // A connection that is not there cannot be killed.
        if victim == .backend, point != .beforeReconnect {
            #expect(try await replay.killBackend())
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
        _ = try await replay.kill()
    }

    // MARK: What remains

    /// - Parameter body: returns how many kills it made.
    private func underLoad(
        _ mode: Mode, _ part: String, _ body: (Rig, inout SeededRandom) async throws -> Int
    ) async throws {
        let target = try await Cluster.start(
            role: .target, name: "crash target", settings: ["fsync": "on", "full_page_writes": "on"])
        try await Rig.run(target: target, createsSlot: false) { rig in
            try await Load.prepare(rig)
            try await Load.preparePairs(rig)
            try await Load.prepareTurns(rig)
            try await rig.copyByDump()
            try await rig.receive("--create-slot").checked("receive")
            var random = SeededRandom(seed: Campaign.seed)
            let load = try Load.startWithTurns(rig, seed: Int(Campaign.seed % 1_000_000), swaps: mode != .psql)
            let receive = try rig.stage("receive", ["--dir", rig.spool, "--segment-size", "1MB"])
            try await receive.awaitLog(containing: "streaming from slot")
            let kills = try await body(rig, &random)
            #expect(load.isRunning, "\(load.stderr)")
            #expect(receive.isRunning, "\(receive.stderr)")
            load.signal(SIGINT)
            _ = try await load.wait()
            receive.signal(SIGINT)
            _ = try await receive.wait()
            try await rig.awaitFreeSlot()
            try await rig.capture()
            try await rig.shell(
                "transform \(mode.transform) --from \"$(replay --position)\" \"$SPOOL\" | command \(mode.program)",
                timeout: .seconds(600)
            ).checked("transform | \(mode.rawValue)")
            try await rig.expectNothingLost("\(mode.rawValue), \(part)", kills: kills)
        }
        try await target.remove()
    }
}
