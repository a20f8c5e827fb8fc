import Glibc
import Observability
import TestSupport
import Testing

/// Who may read what the programs write, and what they make of things that are no files.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct FileAccessTests {
    private static func modes(_ rig: Rig, _ folder: String) async throws -> [String] {
        try await rig.shell("find \(folder) -printf '%y %m %P\\n'").checked("find").outputLines
    }

    @Test func everythingIsForItsOwnerAlone() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            // A spool of an earlier version, and a umask that forbids nothing.
            try await rig.shell("mkdir -m 755 \"$SPOOL\"").checked("mkdir")
            let receive = try await rig.shell(
                "umask 0; exec receive --source \"$SOURCE\" --slot \"$NAME\" $PUBLICATION --dir \"$SPOOL\" --endpos current"
            ).checked("receive")
            #expect(receive.stderr.contains("the spool was open to others (mode 755)"), "\(receive)")
            try await rig.shell("umask 0; exec transform \"$SPOOL\" --output \"$FOLDER/batches\"").checked("transform")
            try await rig.onTarget("ALTER TABLE t ADD CHECK (id > 1)")
            let refused = try await rig.shell(
                "umask 0; transform \"$SPOOL\" --from 0/0 | replay --target \"$TARGET\" --spool \"$SPOOL\" "
                    + "--failure-report \"$FOLDER/reports\"")
            #expect(refused.exitCode != 0)
            for folder in ["\"$SPOOL\"", "\"$FOLDER/batches\""] {
                for entry in try await Self.modes(rig, folder) {
                    #expect(entry.hasPrefix("d 700 ") || entry.hasPrefix("f 600 "), "\(folder): \(entry)")
                }
            }
        }
    }

    @Test func oneGroupMayReadWhenItIsAsked() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            let receive =
                "umask 077; exec receive --source \"$SOURCE\" --slot \"$NAME\" $PUBLICATION --dir \"$SPOOL\" "
                + "--endpos current --spool-group "
            let unknown = try await rig.shell(receive + "no-such-group")
            #expect(unknown.exitCode == ExitStatus.usage.rawValue, "\(unknown)")
            // A group that this process is in, so that it may give files to it.
            let group = try await rig.shell("id -gn").checked("id").outputLines[0]
            try await rig.shell(receive + group).checked("receive")
            for entry in try await Self.modes(rig, "\"$SPOOL\"") {
                #expect(entry.hasPrefix("d 2750 ") || entry.hasPrefix("f 640 "), "\(entry)")
            }
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: ["pipe", "folder"])
    func whatIsNoFileIsRefusedWithoutWaiting(_ kind: String) async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            try await rig.receive("--endpos", "current").checked("receive")
            let make = kind == "pipe" ? "mkfifo" : "mkdir"
            for place in ["\"$SPOOL\"/segments/*.seg*", "\"$SPOOL\"/spool.json"] {
                for command in [
                    "inspect verify \"$SPOOL\"", "inspect list \"$SPOOL\"", "transform \"$SPOOL\"",
                    "inspect show \"$SPOOL\"",
                ] {
                    let script =
                        "f=$(ls \(place) | head -1); mv \"$f\" \"$f.kept\"; \(make) \"$f\"; timeout 20 \(command); code=$?; "
                        + "rm -r \"$f\"; mv \"$f.kept\" \"$f\"; exit $code"
                    let refused = try await rig.shell(script)
                    #expect(refused.exitCode != 124 && refused.exitCode ?? 128 < 128, "\(command): \(refused)")
                    // Not every command reads the identity.
                    if place.contains("segments") { #expect(refused.exitCode != 0, "\(command): \(refused)") }
                }
            }
        }
    }

    @Test func aPathIsOneWordOfTheArchiveCommand() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t VALUES (1)")
            let folder = rig.folder.path("it's; touch \"$HOME\" `date` & x")
            try await rig.shell("mkdir \"$FOLDER/kept\"").checked("mkdir")
            for (number, template) in [
                "cp %p \(rig.folder.path("kept"))/%f.0", "cp \"%p\" \(rig.folder.path("kept"))/%f.1",
                "cp '%p' \(rig.folder.path("kept"))/'%f'.2",
            ].enumerated() {
                try rig.folder.write("template", template)
                try await rig.shell(
                    """
                    cd "$FOLDER"; rm -rf \(Self.quoted(folder))
                    exec receive --source "$SOURCE" --slot "$NAME" $PUBLICATION --dir \(Self.quoted(folder)) \
                      --endpos current --archive-command "$(cat template)"
                    """
                ).checked("receive with \(template)")
                let kept = try await rig.shell("ls \"$FOLDER/kept\"").checked("ls").outputLines
                #expect(kept.contains { $0.hasSuffix(".\(number)") }, "\(template): \(kept)")
                try await rig.onSource("INSERT INTO t SELECT max(id) + 1 FROM t")
            }
        }
    }

    private static func quoted(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }
}
