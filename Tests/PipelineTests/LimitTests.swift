import Observability
import TestSupport
import Testing

/// What the system does not give: room behind standard output, descriptors, threads, memory.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct LimitTests {
    /// Every program that prints its result; each must notice that nobody gets it.
    private static let printing = [
        "transform \"$SPOOL\"", "transform --format jsonl \"$SPOOL\"", "inspect list \"$SPOOL\"",
        "inspect show \"$SPOOL\"",
        "inspect cat \"$SPOOL\"", "inspect verify \"$SPOOL\"", "inspect stats \"$SPOOL\"",
        "inspect history --table t --key 7 \"$SPOOL\"",
        "command replay --target \"$TARGET\" --position", "clone status --dir other",
        "clone compare --source \"$SOURCE\" --target \"$TARGET\" --dir other",
        "receive --stdout --endpos current",
        "transform --help", "receive --version", "clone status --help", "transform --generate-completion-script bash",
    ]

    private func rig(_ body: (Rig) async throws -> Void) async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            try await rig.onSource("INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 5000) g")
            try await rig.capture()
            try await rig.apply()
            try await body(rig)
        }
    }

    @Test func aFullStandardOutputIsAnError() async throws {
        try await rig { rig in
            for command in Self.printing {
                let finished = try await rig.shell("\(command) >/dev/full")
                // Nothing to print is no error: there is no migration in the folder.
                let expected: [Int32] =
                    command.hasPrefix("clone status --dir") ? [18, 14] : [ExitStatus.inputOutput.rawValue]
                #expect(expected.contains(finished.exitCode ?? -1), "\(command): \(finished)")
                #expect(!finished.stderr.contains("Fatal error"), "\(command): \(finished)")
            }
        }
    }

    @Test func aClosedDescriptorIsNotTakenForAnother() async throws {
        try await rig { rig in
            for command in Self.printing.prefix(9) {
                // What is opened first would be number 1 then, and printing would write into it.
                for closed in [">&-", "<&-", "2>&-", "<&- >&- 2>&-"] {
                    let finished = try await rig.shell(
                        "cp -a \"$SPOOL\" before; \(command) \(closed); code=$?; "
                            + "diff -r before/segments \"$SPOOL/segments\" >&2 || code=99; rm -r before; exit $code")
                    #expect(finished.signal == nil && finished.exitCode != 99, "\(command) \(closed): \(finished)")
                }
            }
        }
    }

    @Test func limitsAreNamed() async throws {
        try await rig { rig in
            for command in [
                "transform \"$SPOOL\"", "inspect verify \"$SPOOL\"", "command replay --target \"$TARGET\" --position",
                "receive --dir \"$SPOOL\" --endpos current",
                "clone check --source \"$SOURCE\" --target \"$TARGET\" --dir other",
            ] {
                for count in [12, 63, 64, 66] {
                    let finished = try await rig.shell("ulimit -n \(count); \(command) >out")
                    #expect(finished.signal == nil, "ulimit -n \(count), \(command): \(finished)")
                    let isNamed = ["Too many open files", "ulimit -n", "could not", "cannot"].contains {
                        finished.stderr.contains($0)
                    }
                    // Some checks fail in this rig whatever the limit, and the first of them says the code.
                    let isFine = finished.succeeded || [5, 11].contains(finished.exitCode) || isNamed
                    #expect(isFine, "ulimit -n \(count), \(command): \(finished)")
                    #expect(!finished.stderr.contains(": Success"), "ulimit -n \(count), \(command): \(finished)")
                }
            }
        }
    }

    /// Each thread of the C library keeps 64 MiB of addresses to itself, unless it is told not to.
    @Test(arguments: [300, 500]) func aMigrationNeedsLittleRoomForAddresses(megabytes: Int) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
            let finished = try await rig.shell(
                "ulimit -v \(megabytes << 10); " + rig.cloneCommand("--follow --endpos current"))
            #expect(finished.succeeded, "\(finished)")
        }
    }
}
