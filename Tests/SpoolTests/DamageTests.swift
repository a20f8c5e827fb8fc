import Postgres
import Spool
import TestSupport
import Testing

/// Damage in a sealed segment is found, and never passes for data.
@Suite(.timeLimit(.minutes(2))) struct DamageTests {
    private let it: TestSpool
    private let name: String
    private let bytes: [UInt8]
    private let records: [UInt8]

    init() throws {
        it = try TestSpool()
        name = try Sample.segment(0..<5, in: it.spool)
        bytes = try it.read(name)
        records = try contents(it.path(name)).bytes
    }

    /// What a reader gave before it ended or threw.
    private func given(_ source: any ChunkSource) -> (bytes: [UInt8], error: SpoolError?) {
        let consumer = Consumer()
        do {
            try consumer.drain(source)
            return (consumer.bytes, nil)
        } catch {
            return (consumer.bytes, error as? SpoolError)
        }
    }

    private func spoolReader() throws -> SpoolReader { try SpoolReader(it.spool, from: nil, follows: false) }
    private func streamReader() throws -> StreamReader { try StreamReader(path: it.path(name)) }

    @Test func aWholeSegmentIsSound() throws {
        let report = SegmentVerifier().verify(path: it.path(name))
        #expect(report.state == .ok && report.isSound)
        #expect(report.start == Sample.start && report.end == Sample.end(4))
        #expect(report.transactions == 5 && report.changes == 14)
        #expect(report.message == nil)
    }

    /// `#expect` keeps what it compared, which takes long in a loop over thousands of files.
    private func expect(_ isTrue: Bool, _ what: String) {
        if !isTrue { Issue.record(Comment(rawValue: what)) }
    }

    @Test func aSegmentCutAnywhereIsCorrupt() throws {
        for count in bytes.indices {
            try it.write(name, Array(bytes[..<count]))
            let report = SegmentVerifier().verify(path: it.path(name))
            expect(report.state == .corrupt, "cut at \(count)")
            expect(report.message != nil && report.offset != nil, "cut at \(count)")
            let found = given(try spoolReader())
            expect(found.error?.code == .corrupt, "cut at \(count)")
            expect(records.starts(with: found.bytes), "cut at \(count)")
            let streamed = given(try streamReader())
            expect(records.starts(with: streamed.bytes), "cut at \(count)")
            // Only between frames can a pipe's end pass for the end of what was written.
            if streamed.error == nil { expect(streamed.bytes == found.bytes, "cut at \(count)") }
        }
    }

    @Test(arguments: [0x01, 0x20, 0xFF] as [UInt8]) func aChangedByteNeverChangesARecordUnnoticed(mask: UInt8) throws {
        let footer = try #require(bytes.indices.last { bytes[$0...].starts(with: [0x50, 0x2A, 0x4D, 0x18]) })
        var same = 0
        for offset in bytes.indices {
            var damaged = bytes
            damaged[offset] ^= mask
            try it.write(name, damaged)
            let report = SegmentVerifier().verify(path: it.path(name))
            let found = [given(try spoolReader()), given(try streamReader())]
            for found in found {
                expect(records.starts(with: found.bytes), "byte \(offset)")
                expect(found.error != nil || found.bytes == records, "byte \(offset)")
            }
            if offset >= footer {
                expect(!report.isSound && report.message != nil, "byte \(offset)")
            } else if report.isSound {
                // LZ4 can say one thing in several ways (a match may lie in two places); what it says is checked.
                expect(found.allSatisfy { $0.error == nil && $0.bytes == records }, "byte \(offset)")
                same += 1
            }
        }
        #expect(same < bytes.count / 20)
    }

    @Test func damageIsReportedWithPlaceAndRange() throws {
        var damaged = bytes
        let third = try #require(frames().dropFirst(2).first)
        damaged[third + 30] ^= 1
        try it.write(name, damaged)
        let report = SegmentVerifier().verify(path: it.path(name))
        #expect(report.offset == UInt64(third))
        #expect(report.end == Sample.end(1))
        #expect(report.lostAfter == Sample.end(1) && report.lostUpTo == Sample.end(4))
        #expect(report.lostRange == "lost: transactions after 0/1200 up to 0/1500")
        let error = try #require(given(try spoolReader()).error)
        #expect(error.offset == UInt64(third))
        #expect(error.file?.hasSuffix(name) == true)
    }

    /// The offsets at which frames begin.
    private func frames() -> [Int] {
        bytes.indices.filter { bytes[$0...].starts(with: [0x04, 0x22, 0x4D, 0x18]) }
    }

    @Test func bytesAfterTheFooterAreCorrupt() throws {
        for tail in [[0], [UInt8](repeating: 0, count: 100), bytes, Array("more".utf8)] as [[UInt8]] {
            try it.write(name, bytes + tail)
            #expect(SegmentVerifier().verify(path: it.path(name)).state == .corrupt)
        }
    }

    @Test func aMissingOrRepeatedChunkIsCorrupt() throws {
        let starts = frames()
        let (second, third) = (starts[1], starts[2])
        try it.write(name, Array(bytes[..<second] + bytes[third...]))
        #expect(SegmentVerifier().verify(path: it.path(name)).state == .corrupt)
        try it.write(name, Array(bytes[..<third] + bytes[second...]))
        #expect(SegmentVerifier().verify(path: it.path(name)).state == .corrupt)
    }

    @Test func aFooterOfAnotherSegmentIsCorrupt() throws {
        let other = try TestSpool()
        let otherBytes = try other.read(Sample.segment(0..<6, in: other.spool))
        let footer = try #require(otherBytes.indices.last { otherBytes[$0...].starts(with: [0x50, 0x2A, 0x4D, 0x18]) })
        let own = try #require(bytes.indices.last { bytes[$0...].starts(with: [0x50, 0x2A, 0x4D, 0x18]) })
        try it.write(name, Array(bytes[..<own] + otherBytes[footer...]))
        let report = SegmentVerifier().verify(path: it.path(name))
        #expect(report.state == .corrupt)
        #expect(report.message?.contains("the footer says 6 transactions") == true)
    }
}
