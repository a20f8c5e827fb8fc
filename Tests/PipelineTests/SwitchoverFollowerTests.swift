import Glibc
import Observability
import TestSupport
import Testing

/// `clone switchover` beside a clone that follows: who applies what, who dies when, and that the application can write to
/// one side.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SwitchoverFollowerTests {
    private static let stages = ["receive", "transform", "replay"]
    /// The steps of a switchover, in their order.
    private static let steps = [
        "after-request", "after-take-over", "after-fence", "after-drain", "after-rest", "before-switch-done",
    ]
    private static let goesOn = "the switchover was not made; following continues"

    private static func processes(_ rig: Rig, _ clone: RunningProgram) async throws -> [Int32?] {
        var found: [Int32?] = []
        for stage in stages { found.append(try await rig.stage(stage, of: clone)) }
        return found
    }

    private static func start(
        _ rig: Rig, _ point: String, _ arguments: String = "--fence"
    ) async throws -> RunningProgram {
        let switchover = try rig.start(
            "export WALRELAY_FAILPOINT=\(point):1:stop; " + rig.cloneCommand("switchover \(arguments)"))
        try await switchover.awaitStop()
        return switchover
    }

    /// A change of the source, which nothing keeps it from, comes to the target.
    private static func expectFollowing(_ rig: Rig, _ id: Int) async throws {
        try await rig.source.awaitSQL(
            "SELECT count(*) FROM pg_db_role_setting WHERE 'default_transaction_read_only=on' = ANY (setconfig)",
            equals: "0")
        try await rig.onSource("INSERT INTO parent VALUES (\(id))")
        try await rig.target.awaitSQL(
            "SELECT count(*) FROM parent WHERE id = \(id)", equals: "1", database: rig.targetDatabase)
    }

    @Test(arguments: try await PostgresInstallation.targetMajors().prefix(2))
    func theStagesGoOn(_ targetMajor: Int) async throws {
        try await Rig.runClone(targetMajor: targetMajor) { rig in
            try await Load.prepare(rig)
            let follower = try await rig.startFollower()
            let load = try Load.start(rig, seconds: 3)
            let before = try await Self.processes(rig, follower)
            #expect(!before.contains(nil), "\(follower.stderr)")
            try await load.wait().checked("pgbench")
            let switchover = try await Self.start(rig, "after-drain")
            #expect(try await Self.processes(rig, follower) == before)
            #expect(try await Self.processes(rig, switchover) == [nil, nil, nil])
            await #expect(throws: (any Error).self) { try await rig.onSource("INSERT INTO parent VALUES (77)") }
            switchover.signal(SIGCONT)
            let done = try await switchover.wait().checked("switchover")
            #expect(done.stderr.contains("continues until the target has everything"), "\(done)")
            let ended = try await follower.wait()
            #expect(ended.exitCode == 0 && ended.stderr.contains("the switchover is made: the target has"), "\(ended)")
            #expect(!ended.stderr.contains("starting again"), "\(ended)")
            try await rig.expectCloned()
            // What the fence does not keep from writing comes to the target no more.
            try await rig.onSource("BEGIN READ WRITE; INSERT INTO parent VALUES (78); COMMIT")
            let again = try await rig.shell(rig.cloneCommand("--follow"))
            #expect(again.exitCode == ExitStatus.usage.rawValue, "\(again)")
            #expect(try await rig.onTarget("SELECT count(*) FROM parent WHERE id = 78") == "0")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }

    @Test func oneThatIsKilledOrInterruptedIsUndone() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            let before = try await Self.processes(rig, follower)
            for (index, point) in Self.steps.enumerated() {
                // Either way is the same from there on; a campaign tries both at each step.
                let signals = Campaign.isRunning ? [SIGKILL, SIGINT] : [index.isMultiple(of: 2) ? SIGKILL : SIGINT]
                for signal in point == "before-switch-done" ? [SIGKILL] : signals {
                    let switchover = try await Self.start(rig, point)
                    switchover.signal(signal)
                    switchover.signal(SIGCONT)
                    let ended = try await switchover.wait()
                    if signal == SIGINT {
                        #expect(ended.exitCode == ExitStatus.incomplete.rawValue, "\(point): \(ended)")
                    }
                    try await Self.expectFollowing(rig, 1000 + index * 10 + Int(signal))
                    #expect(follower.isRunning, "\(point): \(follower.stderr)")
                }
                // Until the target has everything, nobody need begin anything again.
                if point == "after-fence" {
                    #expect(try await Self.processes(rig, follower) == before, "\(follower.stderr)")
                }
            }
            #expect(follower.stderr.contains("has ended before its switchover was made; undoing that"))
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test(arguments: ["after-request", "after-fence", "after-rest"]) func theFollowerMayDie(_ point: String)
        async throws
    {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            let switchover = try await Self.start(rig, point)
            follower.kill()
            _ = try await follower.wait()
            // Another one has to wait, and changes nothing.
            let other = try await rig.shell(rig.cloneCommand("--follow"))
            #expect(other.exitCode == ExitStatus.locked.rawValue, "\(other)")
            switchover.signal(SIGCONT)
            try await switchover.wait().checked("switchover")
            await #expect(throws: (any Error).self) { try await rig.onSource("INSERT INTO parent VALUES (78)") }
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
    }

    @Test(arguments: ["before-rest", "before-undo"]) func theFollowerMayDieInItsOwnSteps(_ point: String) async throws {
        try await Rig.runClone { rig in
            let follower = try rig.start(
                "export WALRELAY_FAILPOINT=\(point); " + rig.cloneCommand("--follow"))
            try await follower.awaitLog(containing: "connected to the target")
            if point == "before-undo" {
                let switchover = try await Self.start(rig, "after-fence")
                switchover.kill()
                #expect(try await follower.wait().signal == SIGKILL)
                let again = try await rig.startFollower()
                try await Self.expectFollowing(rig, 77)
                again.kill()
                _ = try await again.wait()
            }
            try await rig.shell(rig.cloneCommand("switchover --fence --compare")).checked("switchover")
            if point == "before-rest" { #expect(try await follower.wait().signal == SIGKILL) }
            try await rig.expectCloned()
        }
    }

    @Test(arguments: stages) func aStageMayDie(_ stage: String) async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            let switchover = try await Self.start(rig, "after-fence")
            kill(try #require(try await rig.stage(stage, of: follower)), SIGKILL)
            try await follower.awaitLog(containing: "starting again")
            switchover.signal(SIGCONT)
            try await switchover.wait().checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    @Test func whatTheTargetRefusesIsUndone() async throws {
        try await Rig.runClone { rig in
            let follower = try await rig.startFollower()
            let switchover = try await Self.start(rig, "after-take-over")
            try await rig.onTarget("ALTER TABLE parent ADD CONSTRAINT refuses CHECK (id <> 77)")
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            try await rig.awaitStatus { $0.contains("applying is blocked since") }
            switchover.signal(SIGCONT)
            let refused = try await switchover.wait()
            #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            #expect(refused.stderr.contains("applying is blocked since"), "\(refused)")
            try await rig.onSource("INSERT INTO parent VALUES (78)")
            try await rig.onTarget("ALTER TABLE parent DROP CONSTRAINT refuses")
            try await rig.shell("clone retry --dir \"$SPOOL\"").checked("retry")
            try await rig.awaitStatus { !$0.contains("blocked") }
            try await Self.expectFollowing(rig, 79)
            try await rig.shell(rig.cloneCommand("switchover --fence --compare --refresh-inside")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
        }
    }

    /// Where a program lets applications use the target, only the same command may say what is so.
    @Test(arguments: [false, true]) func aReleaseThatIsKilledIsFinishedOrUndone(_ fails: Bool) async throws {
        try await Rig.runClone { rig in
            let path = try rig.folder.write(
                "hook",
                """
                #!/bin/sh
                echo "$WALRELAY_EVENT" >>"$FOLDER/events"
                [ "$WALRELAY_EVENT" != "${FAILS-}" ]

                """)
            chmod(path, 0o755)
            let arguments = "--fence --on-event '\(path)'"
            let follower = try await rig.startFollower()
            let switchover = try await Self.start(rig, "before-switch-done", arguments)
            switchover.kill()
            let ended = try await follower.wait()
            #expect(ended.exitCode == ExitStatus.conflict.rawValue, "\(ended)")
            #expect(ended.stderr.contains("Run the same clone switchover again"), "\(ended)")
            let refused = try await rig.shell(rig.cloneCommand("--follow"))
            #expect(refused.exitCode == ExitStatus.conflict.rawValue, "\(refused)")
            await #expect(throws: (any Error).self) { try await rig.onSource("INSERT INTO parent VALUES (77)") }
            // The application uses the target: nothing there may be set again.
            try await rig.onTarget("SELECT nextval('loose')")
            let numbers = try await rig.onTarget("SELECT last_value FROM loose")
            let again = try await rig.shell(
                "export FAILS=\(fails ? "released" : ""); " + rig.cloneCommand("switchover \(arguments)"))
            if fails {
                #expect(again.exitCode == ExitStatus.failure.rawValue, "\(again)")
                let second = try await rig.startFollower()
                try await Self.expectFollowing(rig, 78)
                try await rig.shell(rig.cloneCommand("switchover \(arguments)")).checked("switchover")
                #expect(try await second.wait().exitCode == 0, "\(second.stderr)")
            } else {
                #expect(again.succeeded, "\(again)")
                #expect(try await rig.onTarget("SELECT last_value FROM loose") == numbers)
            }
            let events = String(decoding: try rig.folder.read("events"), as: UTF8.self).split(separator: "\n")
            #expect(events.count { $0 == "switched" } == 1 && events.last == "switched", "\(events)")
            try await rig.expectCloned(sequences: fails)
        }
    }

    @Test func oneThatDoesNotAnswerIsReplaced() async throws {
        try await Rig.runClone { rig in
            // It follows to a position of its own, and knows nothing of switchovers.
            let follower = try rig.startClone("--follow --endpos FFFFFFFF/0")
            try await follower.awaitLog(containing: "connected to the target")
            let switchover = try await Self.start(rig, "after-request")
            _ = try await follower.wait()
            let second = try await rig.shell(rig.cloneCommand("switchover"))
            #expect(second.exitCode == ExitStatus.locked.rawValue, "\(second)")
            switchover.signal(SIGCONT)
            let done = try await switchover.wait().checked("switchover")
            #expect(done.stderr.contains("does not answer; ending it"), "\(done)")
            try await rig.expectCloned()
        }
    }
}
