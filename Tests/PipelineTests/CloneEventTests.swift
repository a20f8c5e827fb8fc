import Foundation
import Glibc
import Observability
import TestSupport
import Testing

/// What is told to programs: events, monitoring, metrics, and waiting for a point.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneEventTests {
    /// Notes each event, and fails at the one that a file names.
    private static let program = """
        #!/bin/bash
        facts=$(cat)
        printf '%s %s\\n' "$WALRELAY_EVENT" "$facts" >>"$FOLDER/events"
        printf '%s' "${WALRELAY_SOURCE-}${WALRELAY_TARGET-}" >>"$FOLDER/secrets"
        if [ "$(cat "$FOLDER/failing" 2>/dev/null)" = "$WALRELAY_EVENT" ]; then exit 7; fi

        """

    private static func events(_ rig: Rig) throws -> [(name: String, facts: [String: String])] {
        let text = String(decoding: try rig.folder.read("events"), as: UTF8.self)
        return try text.split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return (
                String(parts[0]), try JSONDecoder().decode([String: String].self, from: Data(parts[1].utf8))
            )
        }
    }

    @Test func aProgramIsToldOfEachEvent() async throws {
        try await Rig.runClone { rig in
            let path = try rig.folder.write("hook", Self.program)
            chmod(path, 0o755)
            let hook = "--on-event '\(path)'"
            let follower = try await rig.startFollower("--drift-interval 1 \(hook)")
            try await rig.shell("exec clone wait --for caught-up --timeout 60 --dir \"$SPOOL\"").checked("wait")
            kill(try #require(try await rig.stage("replay", of: follower)), SIGKILL)
            try await follower.awaitLog(containing: "event stage-died")
            try await rig.onTarget("ALTER TABLE parent ADD CONSTRAINT refuses CHECK (id <> 77)")
            try await rig.onSource("INSERT INTO parent VALUES (77); CREATE TABLE fresh (id int PRIMARY KEY)")
            try await rig.shell("exec clone wait --for blocked --timeout 60 --dir \"$SPOOL\"").checked("wait")
            try await follower.awaitLog(containing: "event definitions-changed")
            try await rig.onSource("DROP TABLE fresh")
            try await rig.onTarget("ALTER TABLE parent DROP CONSTRAINT refuses")
            try await rig.shell("clone retry --dir \"$SPOOL\"").checked("retry")
            try await follower.awaitLog(containing: "event unblocked")

            // A program that fails keeps the switchover from being made, and the application where it was.
            for event in ["before-fence", "released"] {
                try rig.folder.write("failing", event)
                let failed = try await rig.shell(rig.cloneCommand("switchover --fence \(hook)"))
                #expect(failed.exitCode == ExitStatus.failure.rawValue, "\(failed)")
                #expect(failed.stderr.contains("the program for event \(event) "), "\(failed)")
                try await rig.onSource("UPDATE child SET v = '\(event)'")
            }
            try rig.folder.write("failing", "none")
            try await rig.shell(rig.cloneCommand("switchover --fence \(hook)")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.shell("exec clone wait --for switched --timeout 1 --dir \"$SPOOL\"").checked("wait")
            try await rig.expectCloned()
            let events = try Self.events(rig)
            let names = events.map(\.name)
            for name in ["copied", "caught-up", "stage-died", "blocked", "definitions-changed", "unblocked"] {
                #expect(names.contains(name), "\(name) is missing: \(names)")
            }
            #expect(
                Array(names.suffix(5)) == ["before-fence", "fenced", "drained", "released", "switched"], "\(names)")
            #expect(names.count { $0 == "undone" } == 1 && names.count { $0 == "switched" } == 1, "\(names)")
            let blocked = try #require(events.first { $0.name == "blocked" }).facts
            #expect(blocked["code"] == "16" && blocked["report"]?.contains("replay-failure-") == true, "\(blocked)")
            #expect(try rig.folder.read("secrets").isEmpty)
        }
    }

    @Test func monitoringIsToldInOneLine() async throws {
        try await Rig.runClone { rig in
            func check(_ arguments: String = "") async throws -> Finished {
                try await rig.shell("exec clone status --check \(arguments) --dir \"$SPOOL\"")
            }
            let nothing = try await check()
            #expect(nothing.exitCode == 3 && nothing.output.hasPrefix("UNKNOWN: "), "\(nothing)")
            let follower = try await rig.startFollower()
            try await rig.shell("exec clone wait --for caught-up --timeout 60 --dir \"$SPOOL\"").checked("wait")
            let fine = try await check("--max-lag 1000GB --max-wal 1000GB")
            #expect(fine.exitCode == 0 && fine.output.hasPrefix("OK: following, "), "\(fine)")
            let wal = try await check("--max-wal 1")
            #expect(wal.exitCode == 2 && wal.output.contains("of WAL on the source; the limit is 1 B"), "\(wal)")
            try await rig.shell("clone status --prometheus \"$FOLDER/metrics\" --dir \"$SPOOL\"").checked("metrics")
            let metrics = String(decoding: try rig.folder.read("metrics"), as: UTF8.self)
            for line in [
                "# TYPE walrelay_lag_bytes gauge", "walrelay_running{slot=\"\(rig.name)\",", "walrelay_blocked{",
                "# TYPE walrelay_applied_changes_total counter", "phase=\"following\"} 1", "stage=\"replay\"} 1",
                "# TYPE walrelay_apply_latency_seconds histogram", "le=\"+Inf\"} ",
            ] {
                #expect(metrics.contains(line), "\(line) is missing: \(metrics)")
            }
            // Each line is a comment or a sample, and each metric has its type once.
            let lines = metrics.split(separator: "\n")
            let types = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
            #expect(Set(types).count == types.count)
            for line in lines where !line.hasPrefix("#") {
                var name = String(line.prefix { $0 != "{" })
                for part in ["_bucket", "_sum", "_count"] where name.hasPrefix("walrelay_apply_latency_seconds") {
                    name.replace(part, with: "")
                }
                #expect(types.contains(Substring(name)), "\(line)")
                #expect(Double(line.split(separator: " ").last ?? "") != nil, "\(line)")
            }
            follower.signal(SIGTERM)
            _ = try await follower.wait()
            let dead = try await check()
            #expect(dead.exitCode == 2 && dead.output.contains("no clone works on it"), "\(dead)")
            let late = try await rig.shell("exec clone wait --for switched --timeout 1 --dir \"$SPOOL\"")
            #expect(late.exitCode == ExitStatus.incomplete.rawValue, "\(late)")
        }
    }
}
