import Postgres
import Spool
import TestSupport
import Testing

@testable import Migration

/// The journal on disk, of this version and of the one before.
struct CloneJournalTests {
    private let temporary: TemporaryFolder
    private var spool: SpoolDirectory { SpoolDirectory(temporary.path("spool")) }

    init() throws {
        temporary = try TemporaryFolder("journal")
    }

    /// What version 0.1 wrote, with further keys.
    private static func old(_ keys: String) -> [UInt8] {
        Array(
            """
            {"extensions":["plpgsql"],"follows":true,"format":1,"origin":"walrelay","phase":"copying","pid":7,"publications":[],\
            "slot":"walrelay","source":{"name":"shop","system_identifier":"1"},"started":"2026-11-23 10:00:00+00","steps":[],\
            "tables":[],"target":{"name":"shop","system_identifier":"2"},"tool":"walrelay 0.1.0"\(keys)}
            """.utf8)
    }

    @Test(
        arguments: [
            ("", nil), (",\"is_behind_rows\":true", .rows), (",\"is_behind_rows\":true,\"is_behind_keys\":true", .keys),
            (",\"is_behind_rows\":true,\"is_behind_keys\":true,\"is_catching_up\":true", .catchingUp),
            (",\"is_behind_keys\":true,\"is_behind_rest\":true,\"is_behind_rows\":true", .definitions),
            (",\"is_behind_indexes\":true,\"is_behind_keys\":true,\"is_behind_rows\":true", .complete),
        ] as [(String, CopyStep?)])
    func aJournalOfFormatOneIsRead(_ keys: String, _ step: CopyStep?) throws {
        try spool.replaceState("clone.json", with: Self.old(keys))
        let journal = try #require(try CloneJournal.read(spool))
        #expect(journal.copied == step)
        #expect(journal.stream == "walrelay" && journal.id == nil && journal.phase == .copying)
        try journal.write(spool)
        #expect(try CloneJournal.read(spool) == journal)
    }

    @Test func eachStepIncludesThoseBeforeIt() throws {
        try spool.replaceState("clone.json", with: Self.old(""))
        var journal = try #require(try CloneJournal.read(spool))
        #expect(CopyStep.allCases.allSatisfy { !journal.hasCopied($0) })
        for step in CopyStep.allCases {
            journal.copied = step
            #expect(CopyStep.allCases.allSatisfy { journal.hasCopied($0) == ($0 <= step) }, "\(step)")
        }
    }

    /// Its name does not make a folder one of a later direction; the journal beside it does.
    @Test func aLaterDirectionIsOneThatTheFirstKnows() throws {
        try spool.replaceState("clone.json", with: Self.old(""))
        let later = SpoolDirectory(spool.path + "/way-3")
        #expect(later.direction == 1)
        #expect(SpoolDirectory("way-2").direction == 1)
        try CloneJournal.update(spool) { journal in
            journal.switchedAt = LSN(rawValue: 1)
            journal.wayBack = CloneJournal.WayBack(slot: "s", stream: "s", isPlaced: true)
        }
        #expect(later.direction == 3)
        #expect(later.directionBefore?.path == spool.path + "/way-2")
        #expect(SpoolDirectory(spool.path + "/way-2/").directionBefore?.path == spool.path)
        #expect(spool.direction == 1 && spool.directionBefore == nil)
    }

    @Test func anotherFormatIsRefused() throws {
        let text = String(decoding: Self.old(""), as: UTF8.self).replacing("\"format\":1", with: "\"format\":3")
        try spool.replaceState("clone.json", with: Array(text.utf8))
        let error = #expect(throws: SpoolError.self) { try CloneJournal.read(spool) }
        #expect(error?.code == .unsupported)
    }
}
