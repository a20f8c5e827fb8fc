import Postgres

/// The last thing in a sealed segment: what it holds, and where, so that readers seek without decompressing.
///
/// On disk it is an LZ4 skippable frame:
/// ```
/// u32 0x184D2A50   magic of a skippable frame
/// u32 size         of what follows
/// JSON             this structure, with a checksum of all that follows it as the first key
/// u32 length       of the JSON
/// "WALRELAY"       closing magic, found from the end of the file
/// ```
public struct SegmentFooter: Codable, Sendable, Equatable {
    /// A commit's place in the log and in time.
    public struct Mark: Codable, Sendable, Equatable {
        /// The commit's end LSN.
        public var lsn: LSN
        /// When it committed, in UTC.
        public var time: String

        /// A commit at `lsn`.
        public init(lsn: LSN, time: String) {
            self.lsn = lsn
            self.time = time
        }
    }

    /// How often each operation changed one table.
    public struct Counts: Codable, Sendable, Equatable {
        /// Rows inserted.
        public var insert = 0
        /// Rows updated.
        public var update = 0
        /// Rows deleted.
        public var delete = 0
        /// TRUNCATE statements that named the table.
        public var truncate = 0

        /// No changes.
        public init() {}
    }

    /// A run of chunks of at least 128 KiB on disk: the unit of seeking.
    public struct Part: Codable, Sendable, Equatable {
        /// Where its first frame begins in the file, in bytes.
        public var offset: UInt64
        /// The first commit that ends in it; nil when none does.
        public var first: Mark?
        /// The last commit that ends in it.
        public var last: Mark?
        /// The earliest commit time of those that end in it, in UTC. Commit times need not rise in commit order.
        public var earliest: String?
        /// The latest commit time of those that end in it, in UTC.
        public var latest: String?
        /// It holds Relation messages, which a reader that begins later must read first.
        public var hasRelations = false

        enum CodingKeys: String, CodingKey {
            case offset, first, last, earliest, latest
            case hasRelations = "relations"
        }
    }

    /// The start position, as in the header.
    public var start: LSN
    /// The end of the last commit or watermark: the next segment's start.
    public var end: LSN
    /// The first commit.
    public var firstCommit: Mark?
    /// The last commit.
    public var lastCommit: Mark?
    /// The segment ends with an end record.
    public var hasEnd = false
    /// Committed transactions.
    public var transactions = 0
    /// Row changes, truncated tables counted as one each.
    public var changes = 0
    /// Bytes of records before compression.
    public var rawBytes: UInt64 = 0
    /// Changes by table (`schema.table`).
    public var relations: [String: Counts] = [:]
    /// The parts, in order.
    public var parts: [Part] = []

    enum CodingKeys: String, CodingKey {
        case start, end, transactions, changes, relations, parts
        case hasEnd = "ended"
        case firstCommit = "first_commit"
        case lastCommit = "last_commit"
        case rawBytes = "raw_bytes"
    }

    /// A footer of an empty segment.
    public init(start: LSN) {
        self.start = start
        end = start
    }

    /// False for an index that no writer makes. A reader that seeks by a damaged one would miss changes.
    func isPlausible(fileSize: UInt64) -> Bool {
        guard parts.first?.offset == 0, start <= end else { return false }
        var position = start
        for (index, part) in parts.enumerated() {
            let limit = index + 1 < parts.count ? parts[index + 1].offset : fileSize
            guard part.offset < limit, (part.first == nil) == (part.last == nil) else { return false }
            guard let first = part.first?.lsn, let last = part.last?.lsn else { continue }
            guard first <= last, last >= position, last <= end else { return false }
            position = last
        }
        return true
    }

    /// One of the sixteen numbers that LZ4 keeps for frames that its tools skip.
    static let frameMagic: UInt32 = 0x184D_2A50
    static let closingMagic = Array("WALRELAY".utf8)

    /// The skippable frame's bytes.
    func frame() -> [UInt8] {
        // Behind its opening brace.
        let rest = JSON.encode(self).dropFirst()
        let json = rest.withUnsafeBytes { SegmentFooter.checksum(of: $0) } + rest
        var bytes: [UInt8] = []
        bytes.reserveCapacity(json.count + 20)
        append(SegmentFooter.frameMagic, to: &bytes)
        append(UInt32(json.count + 12), to: &bytes)
        bytes += json
        append(UInt32(json.count), to: &bytes)
        bytes += SegmentFooter.closingMagic
        return bytes
    }

    /// `{"checksum":"0123456789abcdef",`
    private static let checksumSize = 31

    /// The beginning of a footer's JSON: the XXH64 of all that follows it.
    private static func checksum(of rest: UnsafeRawBufferPointer) -> [UInt8] {
        Array(#"{"checksum":"\#(XXH64.hash(rest).hexDigits)","#.utf8)
    }

    /// A flipped digit in the index would have a reader of a range miss changes.
    private static func isWhole(_ json: UnsafeRawBufferPointer) -> Bool {
        // Segments of earlier builds have none; their first key is this one.
        if json.starts(with: #"{"changes":"#.utf8) { return true }
        guard json.count > checksumSize else { return false }
        return json.starts(with: checksum(of: UnsafeRawBufferPointer(rebasing: json[checksumSize...])))
    }

    private func append(_ value: UInt32, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// The footer in a skippable frame's contents.
    ///
    /// - Throws: ``SpoolError`` with `corrupt` when the closing magic, the length or the JSON is wrong.
    init(skippable bytes: [UInt8], file: String, offset: UInt64) throws(SpoolError) {
        func corrupt(_ what: String) -> SpoolError {
            SpoolError(.corrupt, "the footer \(what)", file: file, offset: offset)
        }
        guard bytes.count >= 12, Array(bytes.suffix(8)) == SegmentFooter.closingMagic else {
            throw corrupt("has no closing magic")
        }
        let length = bytes.withUnsafeBytes {
            Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: bytes.count - 12, as: UInt32.self)))
        }
        guard length == bytes.count - 12 else { throw corrupt("says that it has \(length) bytes") }
        do throws(SpoolError) {
            self = try bytes.withBytes { all throws(SpoolError) in
                let json = UnsafeRawBufferPointer(rebasing: all[..<length])
                guard SegmentFooter.isWhole(json) else { throw corrupt("is damaged: its checksum is wrong") }
                return try JSON.decode(json, what: "the footer", file: file)
            }
        } catch {
            throw SpoolError(error.code, error.message, file: file, offset: offset)
        }
    }
}
