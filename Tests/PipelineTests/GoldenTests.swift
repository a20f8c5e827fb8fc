import TestSupport
import Testing

/// Segments and batches that earlier versions wrote are read as they were meant, and alike by every reader.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct GoldenTests {
    private static let folder = "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Golden"
    private static let expected = "\(folder)/rows.txt"

    /// A target that has the tables and no rows, in which `script` brings the rows; `SEGMENT` and `BATCHES` are the files.
    private func run(_ format: Int, _ script: String) async throws {
        let target = try await Cluster.shared(.target, major: PostgresInstallation.newest().major)
        try await Rig.run(target: target, publication: nil, createsSlot: false) { rig in
            let finished = try await rig.shell(
                """
                set -e -o pipefail
                SEGMENT=$(ls \(Self.folder)/\(format)/*.seg.lz4); BATCHES=\(Self.folder)/\(format)/batches.sql
                psql -Xqo /dev/null -v ON_ERROR_STOP=1 -d "$TARGET" -f \(Self.folder)/schema.sql -c 'ALTER TABLE t ADD extra int DEFAULT 7'
                \(script)
                psql -XqAt -d "$TARGET" -f \(Self.folder)/rows.sql >rows.txt
                diff \(Self.expected) rows.txt
                """)
            #expect(finished.succeeded, "format \(format), \(script): \(finished)")
        }
    }

    @Test(arguments: [1, 2])
    func segmentsAreSoundAndHaveTheChanges(_ format: Int) async throws {
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            for reader in ["\"$SEGMENT\"", "- <\"$SEGMENT\"", "<(cat \"$SEGMENT\")"] {
                let finished = try await rig.shell(
                    """
                    SEGMENT=$(ls \(Self.folder)/\(format)/*.seg.lz4)
                    inspect verify "$SEGMENT" && transform --format jsonl \(reader) | diff \(Self.folder)/changes.jsonl - &&
                      lz4 -dc "$SEGMENT" | transform --format jsonl - | diff \(Self.folder)/changes.jsonl -
                    """)
                #expect(finished.succeeded, "\(reader): \(finished)")
            }
        }
    }

    /// Each way in which changes become statements, each reader that feeds it.
    @Test(
        arguments: [1, 2],
        [
            "transform \"$SEGMENT\"", "transform --ordered \"$SEGMENT\"", "transform --jobs 2 \"$SEGMENT\"",
            "transform --max-changes 5 \"$SEGMENT\"", "transform --max-bytes 64kB --jobs 2 \"$SEGMENT\"",
            "lz4 -dc \"$SEGMENT\" | transform -",
        ])
    func segmentsGiveTheRows(_ format: Int, _ transform: String) async throws {
        try await run(format, "\(transform) | replay")
    }

    @Test(arguments: [1, 2])
    func lanesGiveTheRows(_ format: Int) async throws {
        try await run(format, "transform --lanes 3 \"$SEGMENT\" | replay")
    }

    @Test(arguments: [1, 2])
    func batchesGiveTheRows(_ format: Int) async throws {
        try await run(format, "replay \"$BATCHES\"")
    }
}
