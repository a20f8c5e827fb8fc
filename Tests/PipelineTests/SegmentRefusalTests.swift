import Glibc
import Observability
import TestSupport
import Testing

/// Segments that are missing, damaged, cut or of another source.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct SegmentRefusalTests {
    /// A rig with three sealed segments.
    private func withSegments(_ body: (Rig, [String]) async throws -> Void) async throws {
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { rig in
            for number in 1...3 {
                try await rig.onSource(
                    "INSERT INTO t SELECT g, md5(g::text) FROM generate_series(\(number)00, \(number)50) g")
                try await rig.capture()
            }
            let segments = try await rig.sealedSegments()
            try #require(segments.count == 3)
            try await body(rig, segments)
        }
    }

    /// The refusal of the first program of a pipeline, whose output goes elsewhere.
    private func transform(_ rig: Rig, _ arguments: String, _ input: String = "/dev/null") async throws -> Finished {
        try await rig.shell("transform -q \(arguments) <'\(input)' >batches.sql")
    }

    @Test func aMissingSegment() async throws {
        try await withSegments { rig, segments in
            #expect(rename(segments[1], rig.folder.path("aside")) == 0)
            expectRefusal(try await transform(rig, "\"$SPOOL\""), .gap, "transform", "missing")
            expectRefusal(try await transform(rig, "'\(segments[0])' '\(segments[2])'"), .gap, "transform")
            let verified = try await rig.shell("inspect verify \"$SPOOL\"")
            #expect(verified.exitCode == 13)
            #expect(verified.outputLines.last?.hasPrefix("GAP") == true)

            #expect(rename(segments[0], rig.folder.path("first")) == 0)
            expectRefusal(try await transform(rig, "--from 0/10 \"$SPOOL\""), .gap, "transform")
            // What precedes the target's batches is not in the rest of the spool.
            #expect(rename(rig.folder.path("first"), segments[0]) == 0)
            try await rig.shell("transform '\(segments[0])' | replay").checked("first")
            let gap = try await rig.shell("transform -q '\(segments[2])' | replay -q")
            expectRefusal(gap, .gap, "replay", "missing", "transform --from")
            #expect(rename(rig.folder.path("aside"), segments[1]) == 0)
            try await rig.apply()
            try await rig.expectEqual()
        }
    }

    @Test func aFlippedByte() async throws {
        try await withSegments { rig, segments in
            let original = try await rig.shell("cat '\(segments[1])'").stdout
            // Two in the footer, which only an audit reads; the others in what a reader reads.
            for place in [original.count - 6, original.count - 100, 20, 40, original.count / 3] {
                var bytes = original
                bytes[place] ^= 0x10
                try rig.folder.write("damaged", bytes)
                try await rig.shell("cp damaged '\(segments[1])'").checked()
                let name = segments[1].split(separator: "/").last.map(String.init) ?? ""
                if place < original.count / 2 {
                    expectRefusal(try await transform(rig, "\"$SPOOL\""), .corrupt, "transform", name, "offset")
                }
                let verified = try await rig.shell("inspect verify \"$SPOOL\"")
                #expect(verified.exitCode == 13, "byte \(place)")
                let line = verified.outputLines.dropFirst().first ?? ""
                #expect(line.hasPrefix("CORRUPT  \(name)") && line.contains("at offset"), "byte \(place): \(line)")
            }
            // Nothing past the damage reaches the target, and nothing before it is lost.
            _ = try await rig.shell("transform \"$SPOOL\" | replay")
            #expect(try await rig.onTarget("SELECT count(*) FROM t WHERE id >= 300") == "0")
            try rig.folder.write("sound", original)
            try await rig.shell("cp sound '\(segments[1])'").checked()
            try await rig.apply()
            try await rig.expectEqual()
        }
    }

    @Test func aPipeThatEndsEarly() async throws {
        try await withSegments { rig, segments in
            try await rig.shell("cat \"$SPOOL\"/segments/*.seg.lz4 >all; head -c 1500 all >cut; head -c 3 all >little")
                .checked()
            for name in ["cut", "little"] {
                expectRefusal(try await transform(rig, "-", rig.folder.path(name)), .incomplete, "transform")
            }
            try await rig.shell("transform \"$SPOOL\" >whole.sql").checked()
            let size = try rig.folder.read("whole.sql").count
            for count in [0, 200, size / 2, size - 1, size - 60] {
                let finished = try await rig.shell("head -c \(count) whole.sql | replay -q")
                expectRefusal(finished, .incomplete, "replay")
            }
            try await rig.shell("replay whole.sql").checked("replay")
            try await rig.expectEqual()
        }
    }

    @Test func anotherSource() async throws {
        try await withSegments { rig, segments in
            try await Rig.run("CREATE TABLE t (id int PRIMARY KEY, v text)") { other in
                try await other.capture()
                try await other.onSource("INSERT INTO t VALUES (1)")
                try await other.capture()
                let foreign = try #require(try await other.sealedSegments().last)
                expectRefusal(try await transform(rig, "'\(segments[0])' '\(foreign)'"), .foreign, "transform")
                try await rig.shell("transform '\(segments[0])' >a.sql; transform '\(foreign)' >b.sql").checked()
                expectRefusal(
                    try await rig.shell("cat a.sql b.sql | sed '/^-- walrelay end/d' | replay -q"), .foreign, "replay")

                let received = try await Program.run(
                    "receive",
                    [
                        "-q", "--source", other.sourceString, "--slot", other.name, "--publication", "relay", "--dir",
                        rig.spool,
                    ])
                expectRefusal(received, .foreign, "receive", other.sourceDatabase, rig.spool)
            }
        }
    }
}
