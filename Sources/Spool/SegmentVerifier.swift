import Postgres

/// Reads segments whole and compares them with what they say of themselves.
public struct SegmentVerifier {
    /// An auditor.
    public init() {}

    /// Audits every segment of a spool, and that they follow one another.
    ///
    /// - Throws: ``SpoolError`` when there is no spool, or its folder cannot be read. A segment that cannot be read is
    ///   reported like a damaged one.
    public func verify(_ spool: SpoolDirectory) throws(SpoolError) -> [SegmentReport] {
        let names = try spool.existingSegments()
        let identity = try spool.identity()
        var reports: [SegmentReport] = []
        /// The last segment that is this spool's.
        var previous: SegmentReport?
        for (index, name) in names.enumerated() {
            var report = verify(path: spool.segmentsPath + "/" + name.fileName)
            if name.isPartial && !FileSystem.exists(report.file) {
                // It was sealed between the listing and now.
                report = verify(path: spool.segmentsPath + "/" + name.sealed.fileName)
            }
            if report.isSound {
                compare(&report, identity: identity, previous: previous)
            } else if let previous, let missing = missing(between: previous, and: report.header, named: name) {
                // One trouble must not hide another. A torn tail is none beside it.
                if report.state == .torn { report.state = .gap }
                report.message = (report.message.map { $0 + "; and " } ?? "") + missing
            } else if report.state == .torn, let previous, let header = report.header {
                let torn = report
                compareTimelines(&report, header, previous)
                if report.state == .torn { report.message = torn.message }
            }
            if report.lostAfter != nil, report.lostUpTo == nil, index + 1 < names.count {
                report.lostUpTo = names[index + 1].start
            }
            if report.state == .open && index + 1 < names.count {
                report.state = .corrupt
                report.message = "the segment is open, but another follows it; only the last one can be"
            }
            if report.state != .foreign { previous = report }
            reports.append(report)
        }
        return reports
    }

    private func compare(_ report: inout SegmentReport, identity: SpoolIdentity?, previous: SegmentReport?) {
        guard let header = report.header else { return }
        var own = SpoolIdentity(
            systemIdentifier: header.systemIdentifier, database: header.database, slot: header.slot)
        // Segments of version 0.1 do not name their log.
        own.logID = identity?.logID.map { header.logID ?? $0 }
        if let identity, identity != own {
            report.state = .foreign
            report.message =
                "the segment is from system \(own.systemIdentifier), database \"\(own.database)\", slot "
                + "\"\(own.slot)\", log \(own.logID ?? "unknown"); the spool is of system "
                + "\(identity.systemIdentifier), database \"\(identity.database)\", slot \"\(identity.slot)\", log "
                + "\(identity.logID ?? "unknown")"
        } else if let previous, let missing = missing(between: previous, and: header, named: header.name) {
            report.state = .gap
            report.message = missing
            report.lostAfter = previous.end
            report.lostUpTo = header.start
        } else if let previous {
            compareTimelines(&report, header, previous)
        }
    }

    /// A log continues from one timeline to the next only where the history of the next says that it has all of it.
    private func compareTimelines(_ report: inout SegmentReport, _ header: SegmentHeader, _ previous: SegmentReport) {
        guard let before = previous.header else { return }
        let timeline = Timeline(header.timeline, history: header.history)
        let change = "the segment before it is on timeline \(before.timeline), this one on \(header.timeline)"
        switch timeline.relation(
            to: Timeline(before.timeline, history: before.history), endingAt: previous.end ?? before.start)
        {
        case .same: return
        case .continues(let fork):
            report.previousTimeline = before.timeline
            report.message =
                "timeline \(before.timeline) continues as \(header.timeline), which parted from it at \(fork)"
            return
        case .parted(let fork):
            report.message = change + ", which parted from it at \(fork), before the end of that segment"
        case .older: report.message = change + ", which is older"
        case .unrelated:
            let isSame = before.timeline == header.timeline
            report.message = change + (isSame ? ", but of another history" : ", whose history lacks the former")
        }
        report.state = .timelineSwitch
    }

    /// What is missing before a segment. Where a damaged segment ends is not known; whether it is the one that stood
    /// there, the name in the header tells.
    private func missing(
        between previous: SegmentReport, and header: SegmentHeader?, named name: SegmentName
    ) -> String? {
        if [.corrupt, .unreadable].contains(previous.state) {
            guard let expected = header?.previous, expected != previous.fileName else { return nil }
            return "the segment before it is \(previous.fileName), this one follows \(expected)"
        }
        guard let end = previous.end, end != name.start else { return nil }
        return "the segment before it ends at \(end), this one begins at \(name.start)"
    }

    /// Audits one file.
    public func verify(path: String) -> SegmentReport {
        var report = SegmentReport(file: path, state: .ok)
        let isPartial = path.hasSuffix(SegmentName.partialSuffix)
        do {
            try scan(path, isPartial: isPartial, &report)
        } catch {
            report.message = error.message
            report.offset = error.offset
            if case .io = error.code {
                report.state = .unreadable
            } else if error.code == .torn && isPartial {
                report.state = .torn
            } else {
                report.state = .corrupt
                findLost(&report)
            }
        }
        return report
    }

    /// What a damaged chunk takes away: all after the last commit before it, and at least what ends in its part of the
    /// file or begins there.
    private func findLost(_ report: inout SegmentReport) {
        let name = SegmentName(fileName: report.fileName)
        report.lostAfter = report.end ?? name?.start ?? report.start
        guard let offset = report.offset, let footer = try? SegmentFile(report.file).footer(),
            footer.start == name?.start ?? footer.start,
            let part = footer.parts.lastIndex(where: { $0.offset <= offset })
        else { return }
        let next = footer.parts[(part + 1)...].first { $0.first != nil }
        report.lostUpTo = next?.first?.lsn ?? footer.end
    }

    private func scan(_ path: String, isPartial: Bool, _ report: inout SegmentReport) throws(SpoolError) {
        let frames = FrameReader(try ByteInput.openRegular(path))
        var indexer: SegmentIndexer?
        var footer: (SegmentFooter, UInt64)?
        while true {
            let step = try frames.next()
            if let footer, case .boundary = step {
                return try footer.0.check(against: indexer, path: path, offset: footer.1)
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
                try checkName(header, chunk)
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

    /// A file whose name says that it is another segment stands in for something else.
    private func checkName(_ header: SegmentHeader, _ chunk: Chunk) throws(SpoolError) {
        let fileName = chunk.file.split(separator: "/").last.map(String.init) ?? chunk.file
        guard let name = SegmentName(fileName: fileName) else { return }
        do throws(SpoolError) {
            try header.check(is: name, file: chunk.file)
        } catch {
            throw SpoolError(error.code, error.message, file: chunk.file, offset: chunk.offset)
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
}
