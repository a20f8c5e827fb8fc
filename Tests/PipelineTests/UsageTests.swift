import Observability
import TestSupport
import Testing

/// What the programs say of themselves, and of command lines that are wrong.
@Suite(.timeLimit(.minutes(5)))
struct UsageTests {
    static let programs = ["receive", "transform", "replay", "inspect", "clone"]

    @Test(arguments: programs)
    func helpShowsExamplesAndCodes(_ program: String) async throws {
        let finished = try await Program.run(program, ["--help"])
        #expect(finished.exitCode == 0)
        #expect(finished.output.contains("EXAMPLES"))
        #expect(finished.output.contains("EXIT CODES"))
        #expect(finished.output.contains("USAGE: \(program)"))
        #expect(finished.stderr.isEmpty)
    }

    @Test(arguments: programs)
    func versionIsOneLine(_ program: String) async throws {
        let finished = try await Program.run(program, ["--version"])
        #expect(finished.exitCode == 0)
        #expect(finished.outputLines.count == 1)
        #expect(finished.output.hasPrefix("walrelay "))
        #expect(finished.stderr.isEmpty)
    }

    @Test(arguments: programs)
    func anUnknownOptionIsNamed(_ program: String) async throws {
        let finished = try await Program.run(program, ["--no-such-option", "postgres://u:\(Secret.password)@h/d"])
        expectRefusal(finished, .usage, program, "--no-such-option", "--help")
    }

    /// A connection string where none belongs: as a word too many, and as the value of each option that takes one.
    @Test(arguments: [
        "host=/nowhere password=\(Secret.password)", "host=/nowhere password = '\(Secret.password) \\' more'",
        "postgres://u:\(Secret.password)@h/d",
        "postgresql://h/d?password=\(Secret.password)&sslpassword=\(Secret.password)",
        "host=/nowhere PASSWORD=\(Secret.password) dbname=x", "sslpassword=\(Secret.password)",
    ])
    func aPasswordInTheWrongPlaceIsNotShown(_ text: String) async throws {
        let commands = [
            ["clone"], ["clone", "status", "--dir"], ["clone", "--table-jobs"], ["clone", "switchover", "--max-lag"],
            ["receive", "--dir"], ["transform"], ["replay", "--spool"], ["inspect", "list"],
        ]
        for command in commands {
            let finished = try await Program.run(command[0], Array(command.dropFirst()) + [text])
            #expect(!finished.succeeded)
            #expect(!"\(finished.output)\(finished.stderr)".contains(Secret.password), "\(command): \(finished)")
        }
    }

    @Test(arguments: [
        ["receive", "--source", "dbname=x", "--endpos", "tomorrow"],
        ["receive", "--source", "dbname=x", "--endpos", "0/G"],
        ["receive", "--source", "dbname=x", "--segment-size", "64 apples"],
        ["receive", "--source", "dbname=x", "--segment-size", "10B"],
        ["receive", "--source", "dbname=x", "--segment-size", "99999999999999999TB"],
        ["receive", "--source", "dbname=x", "--status-interval", "0"],
        ["receive", "--source", "dbname=x", "--create-slot", "--drop-slot"],
        ["receive", "--source", "dbname=x", "--target", "dbname=y"],
        ["receive", "--source", "dbname=x", "--export-snapshot"],
        ["receive", "--source", "dbname=x", "surplus"],
        ["receive", "--source", "dbname=x password=\(Secret.password) no such thing"],
        ["receive"],
        ["transform", "--from", "1-2", "spool"], ["transform", "--to", "", "spool"],
        ["transform", "--max-bytes", "12", "spool"], ["transform", "--max-changes", "0", "spool"],
        ["transform", "--origin", "", "spool"], ["transform", "--follow", "-"], ["transform", "--follow", "a", "b"],
        ["transform", "--follow", "--to", "2026-01-31", "spool"], ["transform", "--from", "noon", "spool"],
        ["transform", "--from", "2026-01-31", "-"],
        ["transform", "--jobs", "0", "spool"], ["transform", "--jobs", "2", "--follow", "spool"],
        ["transform", "--jobs", "2", "-"], ["transform", "--jobs", "2", "--format", "jsonl", "spool"],
        ["transform", "--format", "xml", "spool"], ["transform", "--format", "jsonl", "--ordered", "spool"],
        ["transform", "--format", "jsonl", "--output", "d", "spool"],
        ["transform", "--compress", "lz4", "spool"], ["transform", "--compress", "gzip", "--output", "d", "spool"],
        ["transform", "--output", "", "spool"], ["transform", "--output", "d", "--file-age", "-1", "spool"],
        ["transform", "--output", "d", "--file-size", "0", "spool"],
        ["replay", "--target", "dbname=x", "--position", "file"],
        ["replay", "--target", "dbname=x", "--origin-wait", "-1"],
        ["replay"], ["replay", "--position"],
        ["clone"], ["clone", "--source", "dbname=x"], ["clone", "--table-jobs", "0"], ["clone", "--endpos", "current"],
        ["clone", "switchover"], ["clone", "cleanup", "--source", "dbname=x"],
        ["inspect", "show"], ["inspect", "verify"], ["inspect", "list", "--yaml"], ["inspect", "nonsense"],
    ])
    func aWrongCommandLineIsRefused(_ words: [String]) async throws {
        expectRefusal(try await Program.run(words[0], Array(words.dropFirst())), .usage, words[0])
    }

    @Test(arguments: [
        ["transform", "/no/such/spool"], ["transform", "/no/such/file.seg.lz4"], ["inspect", "list", "/no/such/spool"],
        ["clone", "status", "--dir", "/no/such/spool"],
        ["inspect", "show", "/no/such/spool"], ["inspect", "verify", "/no/such/spool"],
        ["replay", "--target", "dbname=x", "/no/such/batches.sql"],
    ])
    func aMissingFileIsNamed(_ words: [String]) async throws {
        let finished = try await Program.run(words[0], Array(words.dropFirst()))
        expectRefusal(finished, .inputOutput, words[0], words.last ?? "")
    }

    @Test(arguments: ["transform", "inspect"])
    func whatIsNoSegmentIsNoSegment(_ program: String) async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("file", "SELECT 1;\n")
        let words = program == "inspect" ? ["show", file] : [file]
        expectRefusal(try await Program.run(program, words), .corrupt, program, file)
        let empty = try folder.write("empty", "")
        if program == "transform" {
            expectRefusal(try await Program.run(program, [empty]), .corrupt, program, "empty")
            // The program before it in a pipeline may have failed, and has said why.
            expectRefusal(try await Program.run(program, stdin: .file(empty)), .incomplete, program)
        }
        let replayed = try await Program.run("replay", ["--target", "dbname=x", file])
        expectRefusal(replayed, .corrupt, "replay", "preamble")
    }
}
