import Glibc
import Observability
import TestSupport
import Testing

/// Passwords that a command prints, and that serve for a while only.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct PasswordCommandTests {
    /// Servers that want a password, and a role on each, whose command counts how often it runs.
    private func run(_ body: (Rig) async throws -> Void) async throws {
        let source = try await Cluster.start(name: "source with passwords")
        let target = try await Cluster.start(name: "target with passwords", installation: .newest())
        for cluster in [source, target] {
            try await cluster.sql("CREATE ROLE token SUPERUSER LOGIN PASSWORD 'first'")
            let rules = try await cluster.sql("SHOW hba_file")
            try await cluster.sql(
                """
                COPY (VALUES ('local all token scram-sha-256'), ('local all all trust')) TO '\(rules)';
                SELECT pg_reload_conf()
                """)
        }
        try await Rig.run(source: source, target: target, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
            try rig.folder.write("token", "first\n")
            try rig.folder.write(
                "print-token",
                "#!/bin/sh\necho \"$1\" >>\"\(rig.folder.path("asked"))\"; cat \"\(rig.folder.path("token"))\"\n")
            try await rig.shell(
                """
                chmod +x print-token
                for server in "$SOURCE" "$TARGET"; do
                  while psql -wXqo /dev/null -d "$server user=token" -c 'SELECT' 2>/dev/null; do sleep 0.05; done
                done
                """
            ).checked("waiting for the rules")
            try await body(rig)
        }
    }

    private static let servers = """
        --source "$SOURCE user=token" --source-password-command "$FOLDER/print-token source" \
        --target "$TARGET user=token" --target-password-command "$FOLDER/print-token target" \
        --dir "$SPOOL" --slot-name "$NAME" --origin "$NAME"
        """

    @Test func aMigrationOutlivesItsTokens() async throws {
        try await run { rig in
            let follower = try rig.start("exec clone --follow \(Self.servers)")
            try await follower.awaitLog(containing: "following the source's changes")
            // The first token is good for nothing any more, and all sessions are ended.
            try rig.folder.write("token", "second\n")
            for cluster in [rig.source, rig.target] {
                try await cluster.sql("ALTER ROLE token PASSWORD 'second'")
                try await cluster.sql(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'token' AND pid <> pg_backend_pid()"
                )
            }
            try await rig.onSource(Rig.wholeChanges)
            try await rig.shell("clone switchover \(Self.servers)", timeout: .seconds(120)).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectCloned()
            try await rig.shell("clone cleanup \(Self.servers)").checked("cleanup")
            let asked = try await rig.shell("sort asked | uniq -c").outputLines
            #expect(asked.count == 2, "\(asked)")
            for text in ["first", "second"] {
                #expect(!follower.stderr.contains("password=\(text)"), "\(follower.stderr)")
            }
        }
    }

    @Test(arguments: [
        ("exit 3", "ended with code 3"), ("true", "printed no password"),
        ("no-such-program-here", "ended with code 127"),
        ("echo wrong", "password authentication failed"), ("kill -9 $$", "ended with signal 9"),
    ])
    func aCommandThatFailsIsNamed(command: String, words: String) async throws {
        try await run { rig in
            let finished = try await rig.shell(
                "command replay --position --target \"$TARGET user=token\" --target-password-command '\(command)'")
            #expect(finished.exitCode == ExitStatus.connection.rawValue, "\(finished)")
            #expect(finished.stderr.contains(words), "\(finished)")
            let check = try await rig.shell(
                "WALRELAY_TARGET_PASSWORD_COMMAND='\(command)' command replay --position --target \"$TARGET user=token\""
            )
            #expect(check.stderr.contains(words), "\(check)")
        }
    }

    /// Then the system keeps nothing of how children end.
    @Test func itsEndIsSeenWhereTheParentIgnoresTheEndsOfChildren() async throws {
        try await run { rig in
            try rig.folder.write(
                "ignoring.py",
                "import os, signal, sys\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nos.execvp(sys.argv[1], sys.argv[1:])\n"
            )
            let finished = try await rig.shell(
                "python3 ignoring.py replay --position --target \"$TARGET user=token\" --target-password-command 'exit 3'"
            )
            #expect(finished.stderr.contains("ended with code 3"), "\(finished)")
        }
    }

    @Test func aCommandThatHangsIsStopped() async throws {
        try await run { rig in
            let replay = try rig.start(
                "exec replay --position --target \"$TARGET user=token\" --target-password-command 'echo asked >asked; sleep 600'"
            )
            while try await rig.shell("cat asked").output.isEmpty {}
            replay.signal(SIGINT)
            let finished = try await replay.wait()
            #expect(finished.exitCode == ExitStatus.connection.rawValue || finished.exitCode == 14, "\(finished)")
            let left = try await rig.shell("ps -eo args | grep '[s]leep 600'")
            #expect(left.output.isEmpty, "\(left)")
        }
    }
}
