import FoundationEssentials
import Postgres

/// The first record of every segment: what the segment is and where it comes from.
public struct SegmentHeader: Codable, Sendable, Equatable {
    /// The version of the format that this program writes and reads.
    public static let currentFormat = 1

    /// The version of the segment format.
    public var format = SegmentHeader.currentFormat
    /// Features that a reader must know to read the segment; none are defined yet.
    public var features: [String] = []
    /// The source cluster's identifier.
    public var systemIdentifier: String
    /// The source's timeline.
    public var timeline: UInt32
    /// The source database.
    public var database: String
    /// The slot.
    public var slot: String
    /// The output plugin's options, as they were sent.
    public var pluginOptions: [String: String]
    /// The publications that were asked for.
    public var publications: [String]
    /// The source's `server_version_num`.
    public var serverVersion: Int
    /// The encoding of all text in the segment: `UTF8` or `SQL_ASCII`.
    public var encoding: String
    /// The end of the last commit before the segment.
    public var start: LSN
    /// The file name of the segment before this one; nil for the first.
    public var previous: String?
    /// The log that the segment belongs to, see ``SpoolIdentity/logID``; nil in segments of version 0.1.
    public var logID: String?
    /// Where the timelines before ``timeline`` ended, the oldest first; nil on the first timeline.
    public var history: [TimelineEnd]?
    /// The program that wrote the segment.
    public var tool: String

    enum CodingKeys: String, CodingKey {
        case format, features, timeline, database, slot, publications, encoding, start, previous, history, tool
        case logID = "log_id"
        case systemIdentifier = "system_identifier"
        case pluginOptions = "plugin_options"
        case serverVersion = "server_version"
    }

    /// A header of the present format.
    public init(
        systemIdentifier: String, timeline: UInt32, database: String, slot: String, pluginOptions: [String: String],
        publications: [String], serverVersion: Int, encoding: String, start: LSN, previous: String? = nil,
        logID: String? = nil, history: [TimelineEnd]? = nil, tool: String
    ) {
        self.systemIdentifier = systemIdentifier
        self.timeline = timeline
        self.database = database
        self.slot = slot
        self.pluginOptions = pluginOptions
        self.publications = publications
        self.serverVersion = serverVersion
        self.encoding = encoding
        self.start = start
        self.previous = previous
        self.logID = logID
        self.history = history
        self.tool = tool
    }

    /// The name of the file that this header opens.
    public var name: SegmentName {
        SegmentName(timeline: timeline, start: start, isPartial: true)
    }

    /// Decodes a header record's payload.
    ///
    /// - Throws: ``SpoolError`` with `unsupported` for a newer format or feature, `corrupt` for anything unreadable.
    public init(payload: UnsafeRawBufferPointer, file: String) throws(SpoolError) {
        let read: Versioned = try JSON.decode(payload, what: "the segment header", file: file)
        guard read.format == SegmentHeader.currentFormat else {
            throw SpoolError(
                .unsupported,
                "the segment has format \(read.format); this walrelay reads format \(SegmentHeader.currentFormat)",
                file: file)
        }
        guard let header = read.header else {
            throw SpoolError(
                .unsupported,
                "the segment needs feature \"\(read.unknownFeature ?? "")\", which this walrelay does not know",
                file: file)
        }
        self = header
    }

    /// What says whether the rest can be understood, and the rest only then, in one pass over the JSON.
    private struct Versioned: Decodable {
        let format: Int
        let unknownFeature: String?
        let header: SegmentHeader?

        init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            format = try keys.decode(Int.self, forKey: .format)
            unknownFeature = try keys.decodeIfPresent([String].self, forKey: .features)?.first
            let isKnown = format == SegmentHeader.currentFormat && unknownFeature == nil
            header = isKnown ? try SegmentHeader(from: decoder) : nil
        }
    }
}
