import Batches
import Postgres
import Testing

/// Changes that cannot be written: each stops with its table, its position and what to do.
@Suite struct RefusalTests {
    private func refusal(_ messages: [UInt8]...) throws -> BatchError? {
        let it = try Rendering()
        try it.feed(Build.begin(0x100), Build.simple)
        return #expect(throws: BatchError.self) {
            for message in messages { try it.feed(message) }
        }
    }

    @Test func withoutAnIdentity() throws {
        for identity: Character in ["n", "d"] {
            let layout = Build.relation(1, "public", "t", identity, [.init(name: "secret")])
            let error = try refusal(layout, Build.update(1, ["hidden"]))
            #expect(error?.code == .noReplicaIdentity)
            #expect(error?.lsn == LSN(rawValue: 0x100))
            #expect(error?.description.contains("ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL") == true)
            #expect(error?.description.contains("hidden") == false)
        }
    }

    @Test func binaryValues() throws {
        let error = try refusal(Build.insert(1, ["1", .binary([1])]))
        #expect(error?.code == .binaryValue)
        #expect(error?.description.contains("without --binary") == true)
        #expect(try refusal(Build.update(1, ["1", .binary([1])]))?.code == .binaryValue)
    }

    @Test func unknownTables() throws {
        #expect(try refusal(Build.insert(9, ["1"]))?.code == .unknownRelation)
        #expect(try refusal(Build.truncate([1, 9]))?.code == .unknownRelation)
    }

    @Test func rowsThatDoNotFit() throws {
        #expect(try refusal(Build.insert(1, ["1"]))?.code == .malformedMessage)
        #expect(try refusal(Build.insert(1, ["1", .unchanged]))?.code == .malformedMessage)
        #expect(try refusal(Build.update(1, [.unchanged, "a"]))?.code == .malformedMessage)
        #expect(try refusal([0x7A])?.code == .malformedMessage)
        #expect(try refusal([])?.code == .malformedMessage)
        #expect(try refusal(Build.commit(0x300, end: 0x308))?.code == .malformedMessage)
    }
}
