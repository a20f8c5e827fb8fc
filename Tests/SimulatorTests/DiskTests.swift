import Postgres
import TestSupport
import Testing

@testable import Simulator
@testable import Spool

/// The disk that the histories have, and what it found by itself.
@Suite struct DiskTests {
    private static func header() -> SegmentHeader {
        SegmentHeader(
            systemIdentifier: "7", timeline: 1, database: "shop", slot: "sim", pluginOptions: [:], publications: [],
            serverVersion: 150_018, encoding: "UTF8", start: LSN(rawValue: 0x100), tool: "test")
    }

    private static func watermark(_ position: UInt64, into writer: SegmentWriter) throws {
        let buffer = ChunkBuffer(capacity: 4_096)
        buffer.append(.watermark, lsn: LSN(rawValue: position), payload: [])
        try withExtendedLifetime(buffer) { try writer.append(buffer.bytes) }
    }

    /// A writer is killed before the name of its file is durable. What the next one writes there and acknowledges must not
    /// go with the name.
    @Test(arguments: 0..<16)
    func aNameThatAKilledWriterLeftIsMadeDurable(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let spool = SpoolDirectory(folder.path)
        let disk = SimulatedDisk(path: folder.path, random: SeededRandom(seed: seed))
        try DiskInUse.run(on: disk) {
            try disk.makeDirectory(spool.segmentsPath)
            // It dies in the sync of the folder, behind opening, writing and syncing the file.
            disk.operationsUntilCrash = 3
            #expect(throws: SpoolError.self) {
                try spool.begin(Self.header())
            }
            try disk.revive()
            let writer = try spool.resume(try #require(try spool.recover()))
            try Self.watermark(0x200, into: writer)
            try writer.sync()
            disk.kill()
            try disk.recover()
            #expect(try spool.end() == LSN(rawValue: 0x200))
        }
    }

    /// A crash can damage the footer of a segment that was about to be sealed. Readers wait for the writer's repair.
    @Test func aDamagedFooterOfTheOpenSegmentIsNoMoreForNow() throws {
        let folder = try TemporaryFolder()
        let spool = SpoolDirectory(folder.path)
        let disk = SimulatedDisk(path: folder.path, random: SeededRandom(seed: 1))
        try DiskInUse.run(on: disk) {
            try disk.makeDirectory(spool.segmentsPath)
            let writer = try spool.begin(Self.header())
            try Self.watermark(0x200, into: writer)
            // It dies in the sync behind the footer.
            disk.operationsUntilCrash = 1
            #expect(throws: SpoolError.self) { try writer.seal() }
            try disk.revive()
        }
        let name = try #require(try spool.segments().first)
        #expect(name.isPartial)
        let path = spool.segmentsPath + "/" + name.fileName
        var bytes = try FileSystem.read(path)
        bytes[bytes.count - 1] ^= 1
        try FileSystem.replace(path, with: bytes, in: spool.segmentsPath)
        let reader = try SpoolReader(spool, from: nil, follows: true)
        let range = try RangeReader(path: folder.path)
        var chunks = 0
        while case .chunk = try reader.next() { chunks += 1 }
        #expect(chunks == 2)
        guard case .idle = try reader.next() else {
            Issue.record("the reader has ended")
            return
        }
        while case .chunk = try range.next() {}
        #expect(range.unfinishedTail != nil)
    }

    /// A reader that comes to a damaged end late finds the file repaired and sealed by then.
    @Test func aDamagedEndThatWasRepairedAndSealedMeanwhileIsReadAgain() throws {
        let folder = try TemporaryFolder()
        let spool = SpoolDirectory(folder.path)
        try FileSystem.makeDirectory(spool.segmentsPath)
        let first = try spool.begin(Self.header())
        try Self.watermark(0x200, into: first)
        let path = spool.segmentsPath + "/" + first.fileName
        let damaged = try FileSystem.read(path) + Array("no frame".utf8)
        try FileSystem.replace(path, with: damaged, in: spool.segmentsPath)
        let reader = try SpoolReader(spool, from: nil, follows: true)
        guard case .chunk = try reader.next() else {
            Issue.record("there is no header")
            return
        }
        try spool.seal(try #require(try spool.recover()))
        var positions: [UInt64] = []
        while case .chunk(let chunk) = try reader.next() {
            var cursor = RecordCursor(chunk)
            while let record = try cursor.next() { positions.append(record.lsn.rawValue) }
        }
        // What it had already comes once more.
        #expect(positions == [0x200, 0x100, 0x200])
    }

    @Test func whatWasNotSyncedIsLostInEveryWay() throws {
        var ends: Set<UInt64> = []
        for seed in 0..<64 as Range<UInt64> {
            let folder = try TemporaryFolder()
            let spool = SpoolDirectory(folder.path)
            let disk = SimulatedDisk(path: folder.path, random: SeededRandom(seed: seed))
            try DiskInUse.run(on: disk) {
                try disk.makeDirectory(spool.segmentsPath)
                let writer = try spool.begin(Self.header())
                try Self.watermark(0x200, into: writer)
                try writer.sync()
                try Self.watermark(0x300, into: writer)
                disk.kill()
                try disk.recover()
                ends.insert(try #require(try spool.recover()).end.rawValue)
            }
        }
        #expect(ends == [0x200, 0x300])
    }

    @Test(arguments: [
        "UPDATE \"public\".\"plain\" SET \"v\" = 'x'", "DELETE FROM \"public\".\"none\" WHERE \"id\" = '1'",
        "INSERT INTO \"public\".\"ledger\" (\"n\") VALUES ('1')", "DELETE FROM \"public\".\"plain\" WHERE \"id\" < '1'",
        "TRUNCATE \"public\".\"plain\" RESTRICT", "SELECT 1",
    ])
    func theTargetTakesNothingThatItDoesNotKnow(statement: String) {
        var state = TargetState()
        #expect(throws: SQLScanner.Unknown.self) { try state.run(Array(statement.utf8)) }
    }
}
