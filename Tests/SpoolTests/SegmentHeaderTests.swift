import Postgres
import Spool
import Testing

@Suite struct SegmentHeaderTests {
    private func header(_ json: String) throws -> SegmentHeader {
        try Array(json.utf8).withUnsafeBytes { try SegmentHeader(payload: $0, file: "f") }
    }

    private static let json =
        #"{"database":"app","encoding":"UTF8","features":[],"format":1,"plugin_options":{"proto_version":"1"},"#
        + #""previous":"before","publications":["all"],"server_version":150018,"slot":"relay","start":"0/1000","#
        + #""system_identifier":"7001","timeline":1,"tool":"tests"}"#

    @Test func aHeaderIsWrittenAsDocumentedAndReadAlike() throws {
        let header = Sample.header(previous: "before")
        #expect(JSON.text(header) == SegmentHeaderTests.json)
        #expect(try self.header(SegmentHeaderTests.json) == header)
        #expect(header.name.fileName == "00000001-0000000000001000.seg.lz4.partial")
    }

    @Test func theFirstSegmentHasNoneBeforeIt() throws {
        #expect(try header(JSON.text(Sample.header())).previous == nil)
    }

    @Test func anUnknownFormatOrFeatureIsNotGuessedAt() throws {
        for (old, new, word) in [
            (#""format":1"#, #""format":2"#, "format 2"), (#""features":[]"#, #""features":["zstd"]"#, "\"zstd\""),
        ] {
            let json = SegmentHeaderTests.json.replacing(old, with: new)
            let error = try #require(#expect(throws: SpoolError.self) { try header(json) })
            #expect(error.code == .unsupported)
            #expect(error.message.contains(word))
            #expect(error.file == "f")
        }
        // Even if all else of it means nothing to this version.
        let error = try #require(#expect(throws: SpoolError.self) { try header(#"{"format":9,"start":7}"#) })
        #expect(error.code == .unsupported)
    }

    @Test(arguments: ["", "{", "{}", "[]", "null", "\u{0}", #"{"format":1}"#, #"{"format":"1"}"#])
    func anUnreadableHeaderIsCorrupt(json: String) throws {
        let error = try #require(#expect(throws: SpoolError.self) { try header(json) })
        #expect(error.code == .corrupt)
    }

    @Test(arguments: ["slot", "start", "system_identifier", "timeline", "encoding"])
    func aHeaderWithoutAFieldIsCorruptAndNamesIt(field: String) throws {
        let json = SegmentHeaderTests.json.replacing("\"\(field)\"", with: "\"another\"")
        let error = try #require(#expect(throws: SpoolError.self) { try header(json) })
        #expect(error.code == .corrupt)
        #expect(error.message.contains("\"\(field)\" is missing"))
    }
}
