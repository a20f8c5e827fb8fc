import Glibc
import Postgres
import Spool
import TestSupport
import Testing

@Suite struct SpoolDirectoryTests {
    @Test func aSpoolIsMadeOnFirstUse() throws {
        let folder = try TemporaryFolder()
        let spool = SpoolDirectory(folder.path("s/"))
        #expect(spool.path == folder.path("s"))
        #expect(try spool.identity() == nil)
        #expect(try spool.segments() == [])
        #expect(try spool.end() == nil)
        let lock = try spool.open(for: Sample.identity)
        var identity = try #require(try spool.identity())
        let logID = try #require(identity.logID)
        #expect(logID.count == 32 && logID.allSatisfy(\.isHexDigit))
        identity.logID = nil
        #expect(identity == Sample.identity)
        let json = String(decoding: try folder.read("s/spool.json"), as: UTF8.self)
        let rest = #""slot":"relay","system_identifier":"7001"}"#
        #expect(json == #"{"database":"app","format":1,"log_id":"\#(logID)",\#(rest)"# + "\n")
        #expect(try FileNames.list(spool.path) == ["receive.lock", "segments", "spool.json", "state"])
        withExtendedLifetime(lock) {}
    }

    @Test(arguments: [
        (SpoolIdentity(systemIdentifier: "8", database: "app", slot: "relay"), "system identifier 7001, not 8"),
        (SpoolIdentity(systemIdentifier: "7001", database: "b", slot: "relay"), "database \"app\", not \"b\""),
        (SpoolIdentity(systemIdentifier: "7001", database: "app", slot: "x"), "slot \"relay\", not \"x\""),
    ])
    func aSpoolOfAnotherSourceIsRefused(identity: SpoolIdentity, difference: String) throws {
        let it = try TestSpool()
        it.unlock()
        let before = try it.folder.read("s/spool.json")
        let error = try #require(#expect(throws: SpoolError.self) { try it.spool.open(for: identity) })
        #expect(error.code == .foreign)
        #expect(error.message.contains(difference))
        #expect(try it.folder.read("s/spool.json") == before)
        // The refusal holds no lock.
        _ = try it.spool.open(for: Sample.identity)
    }

    @Test func onlyOneWriterHasTheLock() throws {
        let it = try TestSpool()
        for _ in 0..<3 {
            let error = try #require(#expect(throws: SpoolError.self) { try it.spool.open(for: Sample.identity) })
            #expect(error.code == .locked)
            #expect(error.file == it.spool.path)
        }
        it.unlock()
        let second = try it.spool.open(for: Sample.identity)
        #expect(throws: SpoolError.self) { try it.spool.open(for: Sample.identity) }
        withExtendedLifetime(second) {}
    }

    @Test func theLockHindersNoReader() throws {
        let it = try TestSpool()
        try Sample.segment(0..<1, in: it.spool)
        #expect(try contents(it.spool).transactions == Sample.transactions(0..<1))
    }

    @Test func aRefusedLockLeavesNoDescriptorOpen() throws {
        let it = try TestSpool()
        func open() throws -> Int {
            try FileNames.list("/proc/self/fd").count {
                linkTarget("/proc/self/fd/\($0)") == it.spool.path + "/receive.lock"
            }
        }
        #expect(try open() == 1)
        for _ in 0..<5 { #expect(throws: SpoolError.self) { try it.spool.open(for: Sample.identity) } }
        #expect(try open() == 1)
        it.unlock()
        #expect(try open() == 0)
    }

    private func linkTarget(_ path: String) -> String {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink(path, &buffer, buffer.count)
        return String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    @Test func segmentsWithoutAnIdentityAreNotTakenOver() throws {
        let it = try TestSpool()
        try Sample.segment(0..<1, in: it.spool)
        it.unlock()
        unlink(it.spool.path + "/spool.json")
        let error = try #require(#expect(throws: SpoolError.self) { try it.spool.open(for: Sample.identity) })
        #expect(error.code == .unsupported)
        #expect(try !FileNames.list(it.spool.path).contains("spool.json"))
    }

    @Test(arguments: [
        (#"{"database":"app","format":2,"slot":"relay","system_identifier":"7001"}"#, SpoolError.Code.unsupported),
        (#"{"database":"app","format":1,"slot":"relay"}"#, .corrupt), ("", .corrupt), ("\u{0}\u{0}", .corrupt),
    ])
    func anIdentityThatCannotBeReadIsNotReplaced(text: String, code: SpoolError.Code) throws {
        let it = try TestSpool()
        it.unlock()
        try it.folder.write("s/spool.json", text)
        let error = try #require(#expect(throws: SpoolError.self) { try it.spool.open(for: Sample.identity) })
        #expect(error.code == code)
        #expect(try it.folder.read("s/spool.json") == Array(text.utf8))
    }

    @Test func segmentsAreListedInOrderAndOtherFilesLeftOut() throws {
        let it = try TestSpool()
        try Sample.segment(2..<3, in: it.spool)
        try Sample.segment(0..<2, in: it.spool)
        _ = try Sample.open(3..<4, in: it.spool)
        for name in ["notes.txt", "00000001-0000000000001000.seg.lz4.partial.damaged", ".seg.lz4"] {
            try it.write(name, [])
        }
        #expect(try it.spool.segments().map(\.start) == [Sample.start, Sample.end(1), Sample.end(2)])
        #expect(try it.spool.segments().map(\.isPartial) == [false, false, true])
    }

    @Test func theEndIsThatOfTheLastSegmentOpenOrSealed() throws {
        let it = try TestSpool()
        try Sample.segment(0..<2, in: it.spool)
        #expect(try it.spool.end() == Sample.end(1))
        let writer = try Sample.open(2..<5, in: it.spool)
        #expect(try it.spool.end() == Sample.end(4))
        let summary = try it.spool.summary(of: try #require(try it.spool.segments().last))
        #expect(summary.header.start == Sample.end(1))
        #expect(summary.footer == nil)
        #expect(summary.size == writer.fileSize)
    }

    @Test func aSummaryOfADamagedSegmentIsAnError() throws {
        let it = try TestSpool()
        let name = try #require(SegmentName(fileName: Sample.segment(0..<2, in: it.spool)))
        let bytes = try it.read(name.fileName)
        for count in bytes.indices {
            try it.write(name.fileName, Array(bytes[..<count]))
            #expect(throws: SpoolError.self, "cut at \(count)") { try it.spool.summary(of: name) }
        }
    }

    @Test func anErrorTellsItsPlace() {
        #expect(SpoolError(.corrupt, "broken", file: "f", offset: 7).description == "f at offset 7: broken")
        #expect(SpoolError(.corrupt, "broken", offset: 7).description == "at offset 7: broken")
        #expect(SpoolError(.corrupt, "broken", file: "f").description == "f: broken")
        #expect(SpoolError(.gap, "broken").description == "broken")
    }
}
