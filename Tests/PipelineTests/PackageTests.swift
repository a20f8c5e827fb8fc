import Glibc
import Observability
import TestSupport
import Testing

/// All programs in one file, as packages have them.
@Suite(.timeLimit(.minutes(5)))
struct PackageTests {
    @Test(arguments: UsageTests.programs)
    func itIsTheProgramThatIsNamed(_ program: String) async throws {
        let folder = try TemporaryFolder()
        let named = try await Program.run("walrelay", [program, "--help"])
        #expect(named.succeeded && named.output.contains("USAGE: walrelay \(program)"), "\(named)")
        try #require(symlink(Program.path(of: "walrelay"), folder.path(program)) == 0)
        let called = try await Program.run(folder.path(program), ["--help"])
        #expect(called.succeeded && called.output.contains("USAGE: \(program)"), "\(called)")
        let wrong = try await Program.run("walrelay", [program, "--no-such-option"])
        expectRefusal(wrong, .usage, "walrelay \(program)", "--no-such-option", "(see walrelay \(program) --help)")
        let wrongByName = try await Program.run(folder.path(program), ["--no-such-option"])
        expectRefusal(wrongByName, .usage, program, "--no-such-option", "(see \(program) --help)")
    }

    @Test func itExplainsItself() async throws {
        let help = try await Program.run("walrelay", ["--help"]).checked("walrelay")
        for program in UsageTests.programs { #expect(help.output.contains("\n  \(program) "), "\(help)") }
        let version = try await Program.run("walrelay", ["--version"]).checked("walrelay")
        #expect(version.output.hasPrefix("walrelay ") && version.outputLines.count == 1)
        for (words, advice) in [
            (["migrate"], "there is no \"migrate\", but clone, "), (["clnoe", "--follow"], "did you mean clone?"),
            (["status", "--dir", "x"], "walrelay clone status"),
        ] {
            expectRefusal(
                try await Program.run("walrelay", words), .usage, "walrelay", advice, "(see walrelay --help)")
        }
        let missing = try await Program.run("walrelay", ["inspect", "list", "/no/such/spool"])
        expectRefusal(missing, .inputOutput, "walrelay inspect", "/no/such/spool")
    }

    /// The file where packages put it, under other names by links; or alone, with no other program beside it.
    @Test(arguments: [true, false])
    func aMigrationFindsItsStages(_ hasLinks: Bool) async throws {
        try await Rig.run("", publication: nil, createsSlot: false) { rig in
            try await rig.onSource("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
            try await rig.shell(
                """
                mkdir -p usr/lib/walrelay/bin usr/bin first
                cp '\(try Program.path(of: "walrelay"))' usr/lib/walrelay/bin/walrelay
                \(hasLinks) && for name in receive transform replay inspect clone; do
                  ln -s walrelay usr/lib/walrelay/bin/$name
                done
                ln -s ../lib/walrelay/bin/walrelay usr/bin/walrelay
                ln -s "$FOLDER/usr/bin/walrelay" first/migrate
                printf '#!/bin/sh\\nexec "%s/first/migrate" clone "$@"\\n' "$FOLDER" >first/clone
                chmod +x first/clone
                """
            ).checked("laying it out")
            let follower = try await rig.startFollower()
            try await rig.onSource("INSERT INTO t SELECT generate_series(101, 200)")
            try await rig.target.awaitSQL("SELECT count(*) FROM t", equals: "200", database: rig.targetDatabase)
            let commands = try await rig.shell("ps -o args= -g $(ps -o sid= -p \(follower.pid))").checked("ps").output
            #expect(commands.contains("usr/lib/walrelay/bin/"), "\(commands)")

            let status = try await rig.shell("clone status --json --dir \"$SPOOL\"").checked("status").output
            let unknown = try await rig.shell(
                """
                python3 - '\(RepositoryFile.path("docs/reference.md"))' <<'PYTHON'
                import json, sys
                text = open(sys.argv[1], encoding="utf-8").read()
                def paths(value, path):
                    if isinstance(value, dict):
                        for key, below in value.items(): yield from paths(below, f"{path}.{key}" if path else key)
                    elif isinstance(value, list):
                        yield path + "[]"
                        for below in value: yield from paths(below, path + "[]")
                    if path and not isinstance(value, list): yield path
                for path in sorted(set(paths(json.loads(r'''\(status)'''), ""))):
                    if f"| `{path}` |" not in text and not path.endswith("[]"): print(path)
                PYTHON
                """
            ).checked("python3").output
            #expect(unknown == "", "keys that docs/reference.md does not have")

            try await rig.shell(rig.cloneCommand("switchover")).checked("switchover")
            #expect(try await follower.wait().exitCode == 0, "\(follower.stderr)")
            try await rig.expectEqual()
            try await rig.shell(rig.cloneCommand("cleanup")).checked("cleanup")
        }
    }
}
