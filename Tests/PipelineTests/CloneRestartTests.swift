import Glibc
import Observability
import TestSupport
import Testing

/// Stages that die while clone follows.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneRestartTests {
    @Test func aStageThatIsKilledIsStartedAgain() async throws {
        try await Rig.runClone { rig in
            try await Load.prepare(rig)
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "following the source's changes")
            try await follower.awaitLog(containing: "connected to the target")
            // Without anything to write, transform does not notice by itself that its reader is gone.
            let idle = try #require(try await rig.stage("replay", of: follower))
            kill(idle, SIGKILL)
            try await follower.awaitLog(containing: "replay was ended by signal 9; starting again in")
            while try await [nil, idle].contains(rig.stage("replay", of: follower)) {}
            let load = try Load.start(rig, seconds: 8)
            // SIGTERM from someone else is no reason to stop either.
            for (stage, signal, words) in [
                ("receive", SIGKILL, "was ended by signal 9"), ("transform", SIGKILL, "was ended by signal 9"),
                ("replay", SIGKILL, "was ended by signal 9"), ("receive", SIGTERM, "was stopped"),
            ] {
                let old = try #require(try await rig.stage(stage, of: follower))
                kill(old, signal)
                try await follower.awaitLog(containing: "\(stage) \(words); starting again in")
                while try await [nil, old].contains(rig.stage(stage, of: follower)) {}
            }
            try await load.wait().checked("pgbench")
            var status = ""
            while !status.contains("\"last_end\":\"receive was stopped\"") || status.contains("\"restarting\"") {
                status = try await rig.shell("clone status --json --dir \"$SPOOL\"").checked("status").output
            }
            #expect(status.contains("\"restarts\":2"), "\(status)")
            let people = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
            #expect(people.contains("started again 2 times; receive was stopped at"), "\(people)")
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func eitherServerMayFallOver() async throws {
        let source = try await Cluster.start(name: "source that crashes")
        let target = try await Cluster.start(role: .target, name: "target that crashes")
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await Load.prepare(rig)
            let follower = try await rig.startFollower()
            try rig.folder.write("go", "")
            // Writers that come back when the source does.
            let load = try rig.start(
                """
                while [ -e go ]; do
                  pgbench -n -c 2 -T 1 -R 100 "$SOURCE" >/dev/null 2>&1 || sleep 0.1
                done
                """)
            // A stage that dies while its server is away is started again until that is back.
            try await target.stop(mode: .immediate)
            kill(try #require(try await rig.stage("replay", of: follower)), SIGKILL)
            try await follower.awaitLog(containing: "replay ended with code 3; starting again in")
            try await target.startAgain()
            while try await rig.stage("replay", of: follower) == nil {}
            try await source.restart(mode: .immediate)
            let rows = "SELECT count(*) + 50 FROM pgbench_history"
            let wanted = try await source.sql(rows, database: rig.sourceDatabase)
            try await target.awaitSQL(
                "SELECT count(*) >= \(wanted) FROM pgbench_history", equals: "t", database: rig.targetDatabase)
            try await rig.shell("rm go").checked()
            _ = try await load.wait()
            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
            try await rig.expectCleanedUp()
        }
        try await source.remove()
        try await target.remove()
    }

    @Test func aReplayThatIsStoppedBeforeTheEndHasNotDoneItsPart() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.capture()
            for (option, code) in [("", 0), ("--until-end", ExitStatus.incomplete.rawValue)] {
                let replay = try rig.start(
                    """
                    rm -f fifo; mkfifo fifo; transform --follow --endless "$SPOOL" >fifo 2>/dev/null &
                    exec replay \(option) --target "$TARGET" --origin "$NAME" <fifo
                    """)
                try await replay.awaitLog(containing: "connected to the target")
                replay.signal(SIGTERM)
                #expect(try await replay.wait().exitCode == code, "\(option): \(replay.stderr)")
            }
        }
    }

    @Test func whatNoRestartMendsEndsCloneAtOnce() async throws {
        try await Rig.runClone { rig in
            let follower = try rig.startClone("--follow --stop-when-blocked")
            try await follower.awaitLog(containing: "connected to the target")
            try await rig.onTarget("ALTER TABLE parent RENAME TO elsewhere")
            try await rig.onSource("INSERT INTO parent VALUES (77)")
            let ended = try await follower.wait()
            #expect(ended.exitCode == ExitStatus.conflict.rawValue, "\(ended)")
            #expect(ended.stderr.contains("replay ended with code 16; its message is above"), "\(ended)")
            #expect(!ended.stderr.contains("starting again"), "\(ended)")
            #expect(ended.stderr.contains("nobody reads from slot"), "\(ended)")
            let status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
            #expect(status.contains(" UTC with code 16: replay ended with code 16"), "\(status)")
            #expect(status.contains(" behind the source, as of 20"), "\(status)")
            // The same command continues once it is fixed, here with a stage that dies again and again.
            try await rig.onTarget("ALTER TABLE elsewhere RENAME TO parent")
            try await rig.replaceStages()
            for stage in ["receive", "transform", "replay"] {
                for code: Int32 in [1, 2, 4, 5, 6, 8, 10, 11, 13, 16] {
                    try await rig.shell("rm -f starts").checked()
                    let ended = try await rig.endingStage(stage, "exit \(code)", "--max-restarts 2")
                    #expect(ended.exitCode == code, "\(stage): \(ended)")
                    #expect(try rig.folder.read("starts").count == 2, "\(stage) \(code)")
                }
            }
        }
    }

    /// A program that has just been started does not handle signals yet.
    @Test(arguments: ["receive", "transform", "replay"])
    func aStopBeforeAStageHandlesItIsNoFailure(_ stage: String) async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", publication: nil, createsSlot: false) { rig in
            try await rig.onTarget("DROP TABLE t")
            try await rig.replaceStages()
            let follower = try rig.start(try rig.commandWithStage(stage, "exec sleep 600", ""))
            try await follower.awaitLog(containing: "following the source's changes")
            while try await rig.shell("[ -s starts ]").exitCode != 0 {}
            follower.signal(SIGTERM)
            let ended = try await follower.wait()
            #expect(ended.exitCode == 0, "\(ended)")
            #expect(ended.stderr.contains("stopped; slot"), "\(ended)")
        }
    }

    @Test func restartsHaveAnEnd() async throws {
        try await Rig.runClone { rig in
            let follower = try rig.startClone("--follow")
            try await follower.awaitLog(containing: "connected to the target")
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            try await rig.replaceStages()
            for (stage, end, code) in [("receive", "exit 3", 3), ("replay", "kill -9 $$", 1)] {
                try await rig.shell("rm -f starts").checked()
                let ended = try await rig.endingStage(stage, end, "--max-restarts 1")
                #expect(ended.exitCode == Int32(code), "\(ended)")
                #expect(ended.stderr.contains("1 restarts in a row did not help"), "\(ended)")
                #expect(try rig.folder.read("starts").count == 4)
            }
            // One that dies but once is not missed.
            try await rig.onSource(Rig.wholeChanges)
            try await rig.shell("rm -f starts").checked()
            let done = try await rig.endingStage(
                "transform", "[ $(wc -l <\"$FOLDER/starts\") -gt 1 ] || kill -9 $$", "--endpos current")
            try done.checked("clone")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }
}

extension Rig {
    /// The process of one of clone's stages.
    func stage(_ name: String, of clone: RunningProgram) async throws -> Int32? {
        let found = try await shell("ps -o pid=,comm= --ppid \(clone.pid) | awk '$2 == \"\(name)\" { print $1 }'")
        return found.outputLines.first.flatMap { Int32($0) }
    }

    /// Puts a clone into a folder of its own, beside stages that can be made to fail.
    func replaceStages() async throws {
        try await shell(
            """
            mkdir -p programs; path=$(command -v clone)
            ln "$path" programs/clone 2>/dev/null || cp "$path" programs/clone
            """
        ).checked("ln")
    }

    /// Runs that clone, with a stage that first does something.
    func endingStage(_ name: String, _ script: String, _ arguments: String) async throws -> Finished {
        try await shell(try commandWithStage(name, script, arguments))
    }

    /// The command line for that.
    func commandWithStage(_ name: String, _ script: String, _ arguments: String) throws -> String {
        for stage in ["receive", "transform", "replay"] {
            let first = stage == name ? "echo x >>\"$FOLDER/starts\"; \(script)" : ""
            let path = try folder.write(
                "programs/\(stage)", "#!/bin/bash\n\(first)\nexec '\(try Program.path(of: stage))' \"$@\"\n")
            chmod(path, 0o755)
        }
        return "PATH=\"$FOLDER/programs:$PATH\"; " + cloneCommand("--follow --stop-when-blocked \(arguments)")
    }
}
