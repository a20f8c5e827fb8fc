import TestSupport
import Testing

/// What `inspect verify` calls damaged, no reader takes for whole.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct DamagedLogTests {
    /// Each damages the second of several sealed segments, whose path is `$f`.
    private static let damages = [
        "footer": "dd if=/dev/zero of=\"$f\" bs=1 count=1 seek=$(($(stat -c %s \"$f\") - 30)) conv=notrunc",
        "end": "dd if=/dev/zero of=\"$f\" bs=1 count=4 seek=$(($(stat -c %s \"$f\") - 4)) conv=notrunc",
        "cut": "truncate -s -1 \"$f\"",
        "more": "echo more >>\"$f\"",
        "renamed": "mv \"$f\" \"$(dirname \"$f\")/00000001-0000000000000001.seg.lz4\"",
        "swapped": "g=$(ls \"$SPOOL\"/segments/*.lz4 | sed -n 3p); mv \"$f\" x; mv \"$g\" \"$f\"; mv x \"$g\"",
        "copied": "cp \"$(ls \"$SPOOL\"/segments/*.lz4 | head -1)\" \"$f\"",
        "removed": "rm \"$f\"",
    ]

    @Test func everyReaderRefusesIt() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            for number in 0..<4 {
                try await rig.onSource(
                    "INSERT INTO t SELECT i, repeat(md5(i::text), 50) FROM generate_series(\(number * 1000), \(number * 1000 + 900)) i"
                )
                try await rig.receive("--endpos", "current", "--segment-size", "64kB").checked("receive")
            }
            let names = try await rig.shell("ls \"$SPOOL\"/segments").checked("ls").outputLines
            try #require(names.count >= 3)
            for (name, damage) in Self.damages.sorted(by: { $0.key < $1.key }) {
                try await rig.shell(
                    "cp -r \"$SPOOL\" kept; f=$(ls \"$SPOOL\"/segments/*.lz4 | sed -n 2p); \(damage)"
                ).checked(name)
                for command in [
                    "inspect verify \"$SPOOL\"", "transform \"$SPOOL\"", "transform --jobs 2 \"$SPOOL\"",
                    "transform --format jsonl \"$SPOOL\"", "inspect show \"$SPOOL\"", "inspect stats \"$SPOOL\"",
                ] {
                    let refused = try await rig.shell("exec \(command) >/dev/null")
                    #expect([10, 13].contains(refused.exitCode), "\(name): \(command): \(refused)")
                }
                try await rig.shell("rm -r \"$SPOOL\"; mv kept \"$SPOOL\"").checked("put back")
            }
            try await rig.shell("exec inspect verify \"$SPOOL\"").checked("verify")
        }
    }
}
