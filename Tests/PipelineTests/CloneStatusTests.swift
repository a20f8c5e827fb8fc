import Glibc
import Observability
import TestSupport
import Testing

/// What clone shows while it works.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CloneStatusTests {
    @Test func aTerminalHasLinesThatAreKeptUpToDate() async throws {
        try await Rig.runClone { rig in
            let command = rig.cloneCommand("--follow --wal-warning 1B")
            try rig.folder.write("run.sh", "stty cols 60 rows 14; echo $$ >\"$FOLDER/pid\"; \(command)")
            let session = try rig.start(
                "export TERM=xterm; exec script -qefc 'bash \"$FOLDER/run.sh\"' \"$FOLDER/typescript\" </dev/null")
            func shown() -> String {
                String(decoding: (try? rig.folder.read("typescript")) ?? [], as: UTF8.self)
            }
            try await until(String(shown().suffix(1500))) { shown().contains("following the source's changes") }
            try await rig.onSource(Rig.wholeChanges)
            try await until(String(shown().suffix(1500))) {
                shown().contains("replay      running, process") && shown().contains("applied     ")
                    && shown().contains("replay: connected to the target")
            }
            // What the stages and clone itself write stays, each on lines of their own.
            try await until(String(shown().suffix(1500))) { shown().contains("clone: warning: the slot keeps ") }
            let before = shown()
            #expect(before.contains("replay: connected to the target"), "\(before)")
            #expect(before.contains("clone: following the source's changes"))
            // Nothing is written that would have to be undone: no mode is set, and no line is too long.
            #expect(!before.contains("\u{1B}[?"))
            // The last may not be there whole yet.
            let frame = before.split(separator: "\u{1B}[J").dropLast().last ?? ""
            let lines = frame.split(whereSeparator: \.isNewline).filter { !$0.contains("\u{1B}") }
            let painted = lines.drop { !$0.hasPrefix("migration ") }
            #expect((8...12).contains(painted.count) && painted.allSatisfy { $0.count <= 59 }, "\(frame)")

            let pid = try #require(Int32(String(decoding: try rig.folder.read("pid").dropLast(), as: UTF8.self)))
            kill(pid, SIGINT)
            let ended = try await session.wait()
            #expect(ended.exitCode == 0, "\(ended)")
            // The lines are gone, and the last that was said is there.
            let last = shown().split(separator: "\u{1B}[J").last.map(String.init) ?? ""
            #expect(last.contains("stopped; slot") && !last.contains("migration   "), "\(last)")
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }

    @Test func aCopyIsSeenFromElsewhere() async throws {
        try await Rig.runClone { rig in
            // One table is held up on the target for as long as we look.
            let restore = "'\(rig.clientFolder)/pg_restore'"
            try rig.wrap(
                "pg_restore",
                """
                case "$*" in *pre-data*)
                  \(restore) "$@" || exit
                  psql -Xqd "$TARGET" -c 'BEGIN; LOCK TABLE ONLY parent' -c "\\! touch '$FOLDER/locked'" \
                    -c 'SELECT pg_sleep(100)' >/dev/null 2>&1 &
                  until [ -e "$FOLDER/locked" ]; do sleep 0.05; done; exit 0 ;;
                esac
                """)
            let clone = try rig.startClone("--endpos current --follow --table-jobs 2")
            // A line now and then, and a file each second: both are of some moment before now.
            try await clone.awaitLog(containing: "copied ")
            var status = ""
            while !status.contains(" 10 of 11 tables, ") || !status.contains("slot keeps") {
                status = try await rig.shell("clone status --dir \"$SPOOL\"").checked("status").output
            }
            #expect(status.contains("copying: rows, for "), "\(status)")
            #expect(status.contains("[####"), "\(status)")
            #expect(status.contains("0 % \"public\".\"parent\": 0 B, 0 rows"), "\(status)")
            #expect(status.contains("receive     "), "\(status)")
            let watch = try rig.start("exec clone status --watch --json --dir \"$SPOOL\"")
            try await until(String(watch.output.suffix(1000))) {
                watch.output.contains("\"tables\":11,\"tables_done\":10")
            }
            try await rig.onTarget(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE query = 'SELECT pg_sleep(100)' AND datname = current_database()
                """)
            try await clone.wait().checked("clone")
            // There is nothing more to be seen.
            try await watch.wait().checked("status")
            #expect(watch.output.contains("\"phase\":\"done\""))
            try await rig.expectCloned()
        }
    }

    /// Waits until something is so.
    private func until(_ comment: @autoclosure () -> String, _ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !isSo() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it never came: \(comment())")
                throw CancellationError()
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}
