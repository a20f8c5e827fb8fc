import Postgres

/// The name of a file in a folder of batches: `FROM-TO.sql`, both positions in sixteen hexadecimal digits, so that the
/// order of the names is commit order; `.lz4` follows when it is compressed.
///
/// While a file is written it is `FROM.sql.partial`, since its end is not known.
public struct BatchFileName: Hashable, Comparable, Sendable {
    /// Where a target must be before the file's first batch.
    public let from: LSN
    /// Where a target is after its last batch.
    public let to: LSN
    /// The file is a sequence of LZ4 frames.
    public let isCompressed: Bool

    private static let suffix = ".sql"
    private static let compressedSuffix = ".lz4"
    private static let partialSuffix = ".partial"

    /// The name of a file that takes a target from one position to another.
    public init(from: LSN, to: LSN, isCompressed: Bool) {
        self.from = from
        self.to = to
        self.isCompressed = isCompressed
    }

    /// The parts of a file name; nil when it names no batch file.
    public init?(fileName: String) {
        var stem = Substring(fileName)
        isCompressed = stem.hasSuffix(Self.compressedSuffix)
        if isCompressed { stem = stem.dropLast(Self.compressedSuffix.count) }
        guard stem.hasSuffix(Self.suffix) else { return nil }
        let parts = stem.dropLast(Self.suffix.count).split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let from = UInt64(parts[0], radix: 16), let to = UInt64(parts[1], radix: 16) else {
            return nil
        }
        self.from = LSN(rawValue: from)
        self.to = LSN(rawValue: to)
        guard from <= to, self.fileName == fileName else { return nil }
    }

    /// The file name.
    public var fileName: String {
        "\(from.fileNameForm)-\(to.fileNameForm)\(Self.suffix)\(isCompressed ? Self.compressedSuffix : "")"
    }

    /// The file's name while it is written.
    static func partial(from: LSN, isCompressed: Bool) -> String {
        "\(from.fileNameForm)\(suffix)\(isCompressed ? compressedSuffix : "")\(partialSuffix)"
    }

    /// True for a file that was being written.
    static func isPartial(_ fileName: String) -> Bool {
        guard fileName.hasSuffix(partialSuffix) else { return false }
        let digits = fileName.prefix { $0.isHexDigit }
        guard let from = UInt64(digits, radix: 16).map({ LSN(rawValue: $0) }) else { return false }
        return [true, false].contains { partial(from: from, isCompressed: $0) == fileName }
    }

    /// Commit order; a file of no batches comes before the one that begins where it does.
    public static func < (left: BatchFileName, right: BatchFileName) -> Bool {
        (left.from, left.to, left.isCompressed ? 1 : 0) < (right.from, right.to, right.isCompressed ? 1 : 0)
    }
}
