import Glibc
import TestSupport
import Testing

/// An application behind pgbouncer during a switchover: it sees a pause, and no error.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct PoolerTests {
    private static let isInstalled = access("/usr/sbin/pgbouncer", X_OK) == 0

    @Test(.enabled(if: isInstalled, "pgbouncer is not installed; tools/setup does"), arguments: [false, true])
    func theApplicationSeesAPauseAndNoError(_ failsOnce: Bool) async throws {
        try await Rig.runClone { rig in
            try await rig.onSource(
                "CREATE TABLE beats (id bigserial PRIMARY KEY, client int, at timestamptz DEFAULT now())")
            let pooler = try await Pooler.start(rig)
            defer { pooler.program.signal(SIGTERM) }
            let follower = try await rig.startFollower()
            try rig.folder.write("beat.sql", "INSERT INTO beats (client) VALUES (:client_id);\n\\sleep 5 ms\n")
            let application = try rig.start(
                "exec pgbench -n -c 3 -T 25 -f \"$FOLDER/beat.sql\" '\(pooler.conninfo(database: "shop"))'")
            try await rig.source.awaitSQL(
                "SELECT count(*) > 100 FROM beats", equals: "t", database: rig.sourceDatabase)
            let hook = try rig.folder.write("hook", pooler.hook(newServer: rig.targetString))
            chmod(hook, 0o755)
            if failsOnce {
                let undone = try await rig.shell(
                    "export FAILS=released; " + rig.cloneCommand("switchover --fence --on-event '\(hook)'"))
                #expect(!undone.succeeded && undone.stderr.contains("the program for event released"), "\(undone)")
                let before = try await rig.onSource("SELECT count(*) FROM beats")
                // It continues with the source.
                try await rig.source.awaitSQL(
                    "SELECT count(*) > \(before) + 50 FROM beats", equals: "t", database: rig.sourceDatabase)
            }
            try await rig.shell(rig.cloneCommand("switchover --fence --on-event '\(hook)'")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            let ended = try await application.wait().checked("the application")
            #expect(ended.output.contains("number of failed transactions: 0 "), "\(ended)")
            let done = try #require(
                ended.outputLines.first { $0.hasPrefix("number of transactions actually processed: ") }?
                    .split(separator: " ").last)
            // What it was told is committed is there, once, and nothing came to the source after the switch.
            #expect(try await rig.onTarget("SELECT count(*), count(DISTINCT id) FROM beats") == "\(done)|\(done)")
            let rows = "SELECT count(*) FROM beats"
            let (ours, theirs) = (
                try #require(Int(try await rig.onSource(rows))), try #require(Int(try await rig.onTarget(rows)))
            )
            #expect(ours < theirs, "the application never used the target")
        }
    }

    /// What would lose our sessions' settings is found before anything depends on them.
    @Test(.enabled(if: isInstalled, "pgbouncer is not installed; tools/setup does"))
    func aPoolerInsteadOfAServerIsFound() async throws {
        try await Rig.runClone { rig in
            let pooler = try await Pooler.start(rig)
            defer { pooler.program.signal(SIGTERM) }
            let name = pooler.conninfo(database: "shop")
            for (option, place) in [("--source", "source"), ("--target", "target")] {
                let other = option == "--source" ? "--target \"$TARGET\"" : "--source \"$TARGET\""
                let check = try await rig.shell("clone check --follow --dir other \(option) '\(name)' \(other)")
                #expect(check.exitCode == 5, "\(check)")
                let line = check.outputLines.first { $0.contains("a pooler stands before the server") }
                #expect(line?.contains(place) == true, "\(check)")
            }
            let direct = try await rig.shell("clone check --dir other --source \"$SOURCE\" --target \"$TARGET\"")
            #expect(!direct.output.contains("pooler"), "\(direct)")
        }
    }
}

/// A pgbouncer of a test, in front of the rig's source.
private struct Pooler {
    let program: RunningProgram
    let folder: String
    let port: Int

    static func start(_ rig: Rig) async throws -> Pooler {
        let folder = rig.folder.path("pooler")
        let port = FreePort.find()
        try await rig.shell("mkdir -m 777 \"$FOLDER/pooler\" && chmod 755 \"$FOLDER\"").checked("mkdir")
        try rig.folder.write(
            "pooler/pgbouncer.ini",
            """
            [databases]
            shop = \(rig.sourceString)
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = \(port)
            auth_type = any
            admin_users = app
            pool_mode = transaction
            unix_socket_dir =
            logfile = \(folder)/log
            server_login_retry = 1

            """)
        try await rig.shell("chmod 666 \"$FOLDER/pooler/pgbouncer.ini\"").checked("chmod")
        // It refuses to run as root.
        let program = try rig.start(
            "user=; [ $(id -u) != 0 ] || user='-u postgres'; exec pgbouncer -q $user \"$FOLDER/pooler/pgbouncer.ini\"")
        let pooler = Pooler(program: program, folder: folder, port: port)
        let reach = "psql -Xqd '\(pooler.conninfo(database: "shop"))' -c 'SELECT 1'"
        try await rig.shell("for i in $(seq 100); do \(reach) >/dev/null 2>&1 && exit 0; sleep 0.1; done; \(reach)")
            .checked("pgbouncer")
        return pooler
    }

    func conninfo(database: String) -> String { "host=127.0.0.1 port=\(port) user=app dbname=\(database)" }

    /// The script of the docs, with its settings; fails at the event that FAILS names.
    func hook(newServer: String) -> String {
        """
        #!/bin/sh
        export PGBOUNCER_CONSOLE='\(conninfo(database: "pgbouncer"))' PGBOUNCER_DATABASE=shop
        export PGBOUNCER_INI='\(folder)/pgbouncer.ini' NEW_SERVER='\(newServer)'
        '\(RepositoryFile.path("docs/examples/pgbouncer.sh"))' || exit
        [ "$WALRELAY_EVENT" != "${FAILS-}" ]

        """
    }
}
