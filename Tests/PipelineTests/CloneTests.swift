import Glibc
import Observability
import TestSupport
import Testing

/// A database taken to an empty target, once and while it is being changed.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneTests {
    @Test func aCopyIsWhole() async throws {
        try await Rig.runClone { rig in
            let finished = try await rig.clone("--table-jobs 2 --index-jobs 2").checked("clone")
            #expect(finished.output.contains("\"shop\".\"people\""))
            try await rig.expectCloned()
            #expect(try await rig.onTarget("SELECT sum(count) FROM shop.counted") == "3000")
            try await rig.expectCleanedUp()
            // Done is done.
            #expect(try await rig.clone().checked("clone").stderr.contains("done already"))
        }
    }

    @Test func aLiveLoadIsFollowedUntilTheSwitchover() async throws {
        try await Rig.runClone { rig in
            try await Load.prepare(rig)
            // A transaction that is open while the slot is made, and others all the time.
            let load = try Load.start(rig, seconds: 6)
            try await rig.source.awaitSQL(
                "SELECT count(*) > 50 FROM pgbench_history", equals: "t", database: rig.sourceDatabase)
            let follower = try rig.startClone("--follow")
            try await rig.onSource(Rig.wholeChanges)
            try await follower.awaitLog(containing: "following the source's changes")
            try await rig.onSource("UPDATE shop.people SET name = 'followed' WHERE id = 5")
            try await load.wait().checked("pgbench")

            let status = try await rig.shell("clone status --json --dir \"$SPOOL\"").checked("status").output
            #expect(status.contains("\"phase\":\"following\"") && status.contains("\"running\":true"))
            let switched = try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(switched.output.contains("The target has everything up to"))
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
            // What may be in use is not dropped.
            let refused = try await rig.clone("--follow --restart")
            #expect(refused.exitCode == ExitStatus.usage.rawValue && refused.stderr.contains("may be in use"))
            for _ in 0..<2 { try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup") }
            try await rig.expectCleanedUp()
        }
    }

    @Test func theFollowerEndsAtItsPosition() async throws {
        try await Rig.runClone { rig in
            // A publication that someone else made stays.
            try await rig.onSource("CREATE PUBLICATION mine FOR ALL TABLES")
            try await rig.clone("--follow --publication mine --endpos current").checked("clone")
            try await rig.expectCloned()
            #expect(try await rig.onSource("DROP PUBLICATION mine; SELECT 1") == "1")
            try await rig.expectCleanedUp()
        }
    }

    @Test func aKilledFollowerGoesOn() async throws {
        try await Rig.runClone { rig in
            try await Load.prepare(rig)
            let load = try Load.start(rig, seconds: 5)
            let first = try rig.startClone("--follow")
            try await first.awaitLog(containing: "connected to the target")
            first.kill()
            _ = try await first.wait()
            let second = try rig.startClone("--follow")
            try await second.awaitLog(containing: "resuming: the copy of")
            try await second.awaitLog(containing: "connected to the target")
            try await load.wait().checked("pgbench")
            second.signal(SIGTERM)
            #expect(try await second.wait().exitCode == 0, "\(second.stderr)")
            // It ended in good order, and continues all the same.
            try await rig.onSource(Rig.wholeChanges)
            try await rig.clone("--follow --endpos current").checked("clone")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test(arguments: [
        "before-slot", "after-snapshot", "after-table:3", "after-indexes", "after-sequences", "before-copy-done",
        "after-copy-done",
    ])
    func aCopyThatIsKilledIsBegunAnewOrGoneOnWith(_ point: String) async throws {
        try await Rig.runClone { rig in
            #expect(try await rig.clone("--follow", failpoint: point).signal == SIGKILL)
            try await rig.onSource(Rig.wholeChanges)
            let again = try await rig.clone("--follow --endpos current").checked("clone")
            let isAnew = ["before-slot", "after-snapshot"].contains(point)
            #expect(again.stderr.contains("starting over") == isAnew, "\(again.stderr)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }

    @Test func aProgramOfAKilledCloneDiesToo() async throws {
        try await Rig.runClone { rig in
            try rig.wrap(
                "pg_restore",
                "case \"$*\" in *use-list*post-data*) echo $$ >\"$FOLDER/pid\"; echo waiting; read <\"$FOLDER/fifo\";; esac"
            )
            try await rig.shell("mkfifo fifo").checked()
            let clone = try rig.startClone("--follow")
            try await clone.awaitLog(containing: "waiting")
            let pid = try #require(Int32(String(decoding: try rig.folder.read("pid").dropLast(), as: UTF8.self)))
            // Dead is dead, also while nobody has asked how it died.
            let isAlive = "case $(ps -o stat= -p \(pid)) in '' | Z*) exit 1 ;; esac"
            #expect(try await rig.shell(isAlive).succeeded)
            clone.kill()
            _ = try await clone.wait()
            for _ in 0..<100 where try await rig.shell(isAlive).succeeded {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await !rig.shell(isAlive).succeeded)
            try await rig.shell("rm -r first").checked()
            try await rig.clone("--follow --endpos current").checked("clone")
            try await rig.expectCloned()
        }
    }

    @Test func theSnapshotIsLetGoBeforeIndexesAreMade() async throws {
        try await Rig.runClone { rig in
            let held =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state ~ 'in transaction'"
            try rig.wrap(
                "pg_restore",
                "case \"$*\" in --version | --list*) ;; *) psql -XAtd \"$SOURCE\" -c \"\(held)\" >>\"$FOLDER/held\" ;; esac"
            )
            try await rig.clone("--follow --endpos current").checked("clone")
            // While definitions are made, while indexes are, and while each of the rest is.
            #expect(String(decoding: try rig.folder.read("held"), as: UTF8.self) == "1\n0\n0\n0\n")
        }
    }

    @Test func aCopyThatIsStoppedGivesUpItsSlot() async throws {
        try await Rig.runClone { rig in
            // pg_restore takes its time.
            try rig.wrap("pg_restore", "case \"$*\" in *pre-data*) echo waiting; sleep 60;; esac")
            let clone = try rig.startClone("--follow")
            try await clone.awaitLog(containing: "waiting")
            clone.signal(SIGINT)
            #expect(try await clone.wait().exitCode == ExitStatus.incomplete.rawValue, "\(clone.stderr)")
            try await rig.expectCleanedUp()
            try await rig.shell("rm -r first").checked()
            try await rig.clone("--restart").checked("clone")
            try await rig.expectCloned()
        }
    }

    @Test func aTableThatIsEmptiedMeanwhileIsNotCopiedFromAnOldSnapshot() async throws {
        try await Rig.runClone { rig in
            let empty =
                "psql -Xqd \"$SOURCE\" -c 'UPDATE m SET v = $$z$$' -c 'TRUNCATE m' -c 'INSERT INTO m SELECT 1, now()'"
            try rig.wrap("pg_dump", "case \"$*\" in *snapshot*) \(empty);; esac")
            let failed = try await rig.clone("--follow")
            #expect(failed.exitCode == ExitStatus.conflict.rawValue, "\(failed)")
            #expect(failed.stderr.contains("was emptied or rewritten"))
            #expect(failed.stderr.contains("keeps WAL on the source until the same command continues"), "\(failed)")
            try await rig.shell("rm -r first").checked()
            let again = try await rig.clone("--follow --endpos current").checked("clone")
            #expect(again.stderr.contains("resuming with what is missing"), "\(again.stderr)")
            try await rig.expectCloned()
            try await rig.expectCleanedUp()
        }
    }
}

extension Rig {
    /// Puts a script before one of PostgreSQL's programs.
    func wrap(_ program: String, _ script: String) throws {
        mkdir(folder.path("first"), 0o755)
        let real = "\(clientFolder)/\(program)"
        let path = try folder.write("first/\(program)", "#!/bin/bash\n\(script)\nexec '\(real)' \"$@\"\n")
        chmod(path, 0o755)
    }
}
