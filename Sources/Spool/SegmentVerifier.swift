import Postgres

/// What an audit found of one segment.
public struct SegmentReport: Codable, Sendable, Equatable {
    /// How a segment is.
    public enum State: String, Codable, Sendable {
        /// Sealed and whole.
        case ok = "OK"
        /// Being written, or left by a stopped writer; whole as far as it goes.
        case open = "OPEN"
        /// Open, and ending in the middle of a chunk; the writer cuts it when it goes on.
        case torn = "TORN"
        /// Whole, but the segment before it does not end where it begins.
        case gap = "GAP"
        /// Damaged.
        case corrupt = "CORRUPT"
        /// From another source than the spool.
        case foreign = "FOREIGN"
        /// On another timeline than the segment before it.
        case timelineSwitch = "TIMELINE-SWITCH"
    }

    /// The file.
    public var file: String
    /// How it is.
    public var state: State
    /// Its start position.
    public var start: LSN?
    /// The end of its last whole commit or watermark, as far as it can be read.
    public var end: LSN?
    /// Committed transactions.
    public var transactions = 0
    /// Row changes.
    public var changes = 0
    /// What is wrong, and the LSN range concerned.
    public var message: String?
    /// Where the first damaged chunk begins in the file, in bytes.
    public var offset: UInt64?
    /// The header, if it can be read.
    var header: SegmentHeader?

    enum CodingKeys: String, CodingKey {
        case file, state, start, end, transactions, changes, message, offset
    }

    /// True for a segment that a reader can trust.
    public var isSound: Bool { state == .ok || state == .open }
}

/// Reads segments whole and compares them with what they say of themselves.
public struct SegmentVerifier {
    /// An auditor.
    public init() {}

    /// Audits every segment of a spool, and that they follow one another.
    public func verify(_ spool: SpoolDirectory) throws(SpoolError) -> [SegmentReport] {
        let identity = try spool.identity()
        var reports: [SegmentReport] = []
        var previous: SegmentReport?
        for name in try spool.segments() {
            var report = verify(path: spool.segmentsPath + "/" + name.fileName)
            if name.isPartial && !FileSystem.exists(report.file) {
                // It was sealed between the listing and now.
                report = verify(path: spool.segmentsPath + "/" + name.sealed.fileName)
            }
            if report.isSound { compare(&report, name: name, identity: identity, previous: previous) }
            reports.append(report)
            previous = report
        }
        return reports
    }

    private func compare(
        _ report: inout SegmentReport, name: SegmentName, identity: SpoolIdentity?, previous: SegmentReport?
    ) {
        guard let header = report.header else { return }
        if header.start != name.start || header.timeline != name.timeline {
            report.state = .corrupt
            report.message = "the header says \(header.name.sealed.fileName): the file was renamed"
        } else if let identity,
            identity.systemIdentifier != header.systemIdentifier || identity.database != header.database
        {
            report.state = .foreign
            report.message =
                "the segment is from system \(header.systemIdentifier), database \"\(header.database)\"; the spool is "
                + "of system \(identity.systemIdentifier), database \"\(identity.database)\""
        } else if let previous, let end = previous.end, end != header.start {
            report.state = .gap
            report.message = "the segment before it ends at \(end), this one begins at \(header.start)"
        } else if let previous = previous?.header, previous.timeline != header.timeline {
            report.state = .timelineSwitch
            report.message = "the segment before it is on timeline \(previous.timeline), this one on \(header.timeline)"
        }
    }

    /// Audits one file.
    public func verify(path: String) -> SegmentReport {
        var report = SegmentReport(file: path, state: .ok)
        let isPartial = path.hasSuffix(SegmentName.partialSuffix)
        do {
            try scan(path, isPartial: isPartial, &report)
        } catch {
            report.state = error.code == .torn && isPartial ? .torn : .corrupt
            report.offset = error.offset
            report.message = error.message + lost(report)
        }
        return report
    }

    private func lost(_ report: SegmentReport) -> String {
        report.end.map { "; commits after \($0) cannot be trusted" } ?? ""
    }

    private func scan(_ path: String, isPartial: Bool, _ report: inout SegmentReport) throws(SpoolError) {
        let frames = FrameReader(try ByteInput.open(path))
        var indexer: SegmentIndexer?
        var footer: (SegmentFooter, UInt64)?
        while true {
            let step = try frames.next()
            if let footer, case .boundary = step {
                return try compareFooter(footer.0, indexer, path: path, offset: footer.1)
            }
            guard footer == nil else {
                throw SpoolError(
                    .corrupt, "there are bytes after the footer", file: path, offset: frames.input.position)
            }
            switch step {
            case .boundary:
                return try ending(path, isPartial: isPartial, indexer, at: frames.input.position, &report)
            case .unfinished(let offset):
                throw SpoolError(
                    isPartial ? .torn : .corrupt, "the file ends in the middle of a chunk", file: path, offset: offset)
            case .skippable(let bytes, let offset):
                footer = (try SegmentFooter(skippable: bytes, file: path, offset: offset), offset)
            case .frame(let bytes, let offset):
                try follow(Chunk(bytes: bytes, file: path, offset: offset), &indexer, &report)
            }
        }
    }

    private func follow(
        _ chunk: Chunk, _ indexer: inout SegmentIndexer?, _ report: inout SegmentReport
    ) throws(SpoolError) {
        var cursor = RecordCursor(chunk)
        indexer?.beginChunk(offset: chunk.offset)
        while let record = try cursor.next() {
            if indexer == nil {
                guard record.kind == .header else {
                    throw SpoolError(.corrupt, "the first record is no header", file: chunk.file, offset: chunk.offset)
                }
                let header = try SegmentHeader(payload: record.payload, file: chunk.file)
                report.header = header
                report.start = header.start
                indexer = SegmentIndexer(start: header.start)
                indexer?.beginChunk(offset: chunk.offset)
            }
            do throws(SpoolError) {
                try indexer?.consume(record, file: chunk.file)
            } catch {
                throw SpoolError(error.code, error.message, file: chunk.file, offset: chunk.offset)
            }
            report.end = indexer?.footer.end
            report.transactions = indexer?.footer.transactions ?? 0
            report.changes = indexer?.footer.changes ?? 0
        }
    }

    /// The file ended without a footer.
    private func ending(
        _ path: String, isPartial: Bool, _ indexer: SegmentIndexer?, at position: UInt64, _ report: inout SegmentReport
    ) throws(SpoolError) {
        guard isPartial else {
            throw SpoolError(
                .corrupt, "the sealed segment has no footer; was it truncated?", file: path, offset: position)
        }
        guard indexer != nil else {
            throw SpoolError(.torn, "the file ends before its header does", file: path, offset: position)
        }
        report.state = .open
    }

    private func compareFooter(
        _ footer: SegmentFooter, _ indexer: SegmentIndexer?, path: String, offset: UInt64
    ) throws(SpoolError) {
        guard let found = indexer?.finished() else {
            throw SpoolError(.corrupt, "there is a footer but no header", file: path, offset: offset)
        }
        guard found == footer else {
            throw SpoolError(
                .corrupt,
                "the footer says \(footer.transactions) transactions and \(footer.changes) changes up to \(footer.end); "
                    + "the records are \(found.transactions) and \(found.changes) up to \(found.end)",
                file: path, offset: offset)
        }
    }
}
