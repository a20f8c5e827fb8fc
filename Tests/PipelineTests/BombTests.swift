import Observability
import TestSupport
import Testing

/// Small files that claim, or decompress to, far more than they hold.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct BombTests {
    /// Makes the files from a real segment's header.
    private static let maker = """
        import struct, subprocess, sys
        def lz4(data): return subprocess.run(["lz4", "-1", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
        plain = subprocess.run(["lz4", "-dc", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        header = lz4(plain[:4 + struct.unpack("<I", plain[:4])[0]])
        def record(kind, payload): return struct.pack("<IBBQ", 10 + len(payload), kind, 0, 1) + payload
        bombs = {
            "zeros": lz4(bytes(900 << 20)),
            "changes": lz4(record(2, bytes(8 << 20)) * 100),
            "facts": lz4(record(3, b" " * (900 << 20))),
            "begin-only": lz4(record(2, b"")) * 200000,
            "footer": struct.pack("<II", 0x184D2A5C, 60 << 20) + b"[" * (60 << 20),
            "long-footer": struct.pack("<II", 0x184D2A5C, 0xFFFFFFFF) + b"{}",
            "long-record": lz4(struct.pack("<IBBQ", 0x3FFFFFFF, 2, 0, 1) + b"I"),
            "many-columns": lz4(record(2, b"I\\0\\0\\0\\1N\\x7f\\xff" + b"n" * 100)),
            "long-value": lz4(record(2, b"I\\0\\0\\0\\1N\\0\\1t\\x7f\\xff\\xff\\xff" + b"n" * 100)),
        }
        for name, bomb in bombs.items(): open(name, "wb").write(header + bomb)
        print("\\n".join(bombs))
        """
    /// Runs a program, and says in a line of its own how many MiB of memory it had at most.
    private static let measure = """
        import resource, subprocess, sys
        code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
        print("peak", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10)
        sys.exit(code)
        """

    @Test func theyAreRefusedWithoutMuchMemory() async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)") { rig in
            try await rig.onSource("INSERT INTO t SELECT generate_series(1, 10)")
            try await rig.capture()
            try rig.folder.write("maker.py", Self.maker)
            try rig.folder.write("measure.py", Self.measure)
            let bombs = try await rig.shell("python3 maker.py \"$SPOOL\"/segments/*.seg.lz4*").checked("maker")
                .outputLines
            #expect(bombs.count == 9)
            for bomb in bombs {
                for command in ["transform - <", "transform --format jsonl", "inspect stats", "inspect verify"] {
                    let finished = try await rig.shell("python3 measure.py \(command) \(bomb)")
                    let what = Comment(rawValue: "\(command) \(bomb): \(finished)")
                    let expected = [ExitStatus.corrupt.rawValue, ExitStatus.failure.rawValue]
                    #expect(expected.contains(finished.exitCode ?? -1), what)
                    let peak = try #require(finished.outputLines.last?.split(separator: " ").last.flatMap { Int($0) })
                    #expect(peak < 256, what)
                }
            }
        }
    }
}
