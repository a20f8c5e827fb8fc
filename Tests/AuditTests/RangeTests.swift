import Audit
import Glibc
import PgOutput
import Postgres
import Spool
import TestSupport
import Testing

/// Ranges are read by the index, and hold what a reading of the whole log says they hold.
@Suite(.timeLimit(.minutes(5))) struct RangeTests {
    /// The transactions of a range by their xids, with the tables of their rows, and how many chunks that took.
    private func read(_ path: String, _ range: LogRange) throws -> (rows: [String], chunks: Int) {
        let reader = try RangeReader(path: path, range: range)
        var walker = LogWalker(range: range)
        let layouts = walker.layouts
        var rows: [String] = []
        reading: while true {
            switch try reader.next() {
            case .chunk(let chunk, let role):
                try walker.take(chunk, role) { event in
                    guard case .change(let message, _, let transaction, _) = event,
                        case .insert(let id, _) = message
                    else { return }
                    rows.append("\(transaction.begin.xid)\(layouts.relation(id)?.name ?? "?")")
                }
                if walker.isPast { reader.skipSegment() }
            case .idle: Issue.record("a file is never idle")
            case .finished: break reading
            }
        }
        return (rows, reader.chunksRead)
    }

    private func position(_ number: Int) -> LogRange.Bound { .position(TestLog.end(number)) }
    private func second(_ number: Int) -> LogRange.Bound {
        .time(Timestamp(rawValue: Int64(number) * 1_000_000))
    }
    private func name(_ number: Int) -> String { "\(number)\(number % 2 == 1 ? "t" : "u")" }

    @Test func positionsReadOnlyTheirChunks() throws {
        let log = try TestLog()
        let path = log.path(try log.writeParts())
        for path in [path, log.spool.path] {
            #expect(try read(path, LogRange()) == ((1...10).map(name), 11))
            for from in [0, 1, 2, 5, 9, 10] {
                for to in [0, 1, 2, 3, 6, 10] where to >= from {
                    let found = try read(path, LogRange(from: position(from), to: position(to)))
                    #expect(found.rows == (from..<to).map { name($0 + 1) }, "\(from)–\(to)")
                    // Both layouts (with the header three chunks), the part before the range, and one to see its end.
                    #expect(found.chunks <= 3 + 2 + to - from, "\(from)–\(to): \(found.chunks) chunks")
                }
            }
            #expect(try read(path, LogRange(from: position(8))).chunks == 3 + 3)
            #expect(try read(path, LogRange(to: position(2))).chunks == 3)
        }
    }

    @Test func timesNeedNotRise() throws {
        let log = try TestLog()
        let seconds = [5, 6, 1, 7, 8, 20, 9, 2, 10, 11]
        let path = log.path(try log.writeParts(seconds: seconds))
        let bounds = [0, 1, 2, 5, 8, 11, 20, 21]
        for from in bounds {
            for to in bounds where to >= from {
                let found = try read(path, LogRange(from: second(from), to: second(to)))
                let expected = (1...10).filter { (from...to).contains(seconds[$0 - 1]) }
                #expect(found.rows == expected.map(name), "\(from)–\(to)")
                #expect(found.chunks <= 3 + 2 * expected.count)
            }
        }
        let mixed = try read(path, LogRange(from: position(5), to: second(9)))
        #expect(mixed.rows == ["7t", "8u"])
    }

    @Test func damageOutsideTheRangeIsNotNoticed() throws {
        let log = try TestLog()
        let name = try log.writeParts()
        var bytes = try log.folder.read("s/segments/" + name)
        let frames = bytes.indices.filter { bytes[$0...].starts(with: [0x04, 0x22, 0x4D, 0x18]) }
        // The header's frame is the first, so this is transaction 6.
        bytes[frames[6] + 1000] ^= 0x20
        try log.folder.write("s/segments/" + name, bytes)
        for path in [log.path(name), log.spool.path] {
            #expect(try read(path, LogRange(to: position(5))).rows.count == 5)
            #expect(try read(path, LogRange(from: position(7))).rows.count == 3)
            let error = try #require(
                #expect(throws: SpoolError.self) { try read(path, LogRange(from: position(5), to: position(6))) })
            #expect(error.code == .corrupt && error.offset == UInt64(frames[6]))
        }
    }

    /// A transaction whose Begin lies parts before its commit is whole in every range that holds it.
    @Test func aTransactionOverManyParts() throws {
        let log = try TestLog()
        let relation = Wire.relation(1, "t", ["id*", "v"])
        try log.transaction(1, [relation, Wire.insert(1, ["1", "a"])])
        try log.chunk([Wire.begin(TestLog.end(2).rawValue - 8, time: 2_000_000, xid: 2)], at: 0x1180)
        for number in 1...4 {
            let text = Wire.Cell.text(TestLog.noise(190_000, seed: UInt64(number)))
            try log.chunk([Wire.insert(1, [.text(Array("\(number)".utf8)), text])], at: 0x1180)
        }
        let end = TestLog.end(2).rawValue
        try log.chunk([Wire.commit(end - 8, end: end, time: 2_000_000)], at: end)
        try log.transaction(3, [Wire.insert(1, ["9", "z"])])
        let path = log.path(try log.seal())
        for range in [
            LogRange(from: position(1), to: position(2)), LogRange(from: second(2), to: second(2)),
        ] {
            #expect(try read(path, range).rows == ["2t", "2t", "2t", "2t"])
        }
        #expect(try read(path, LogRange(from: position(2))).rows == ["3t"])
        #expect(try read(path, LogRange(from: second(3))).rows == ["3t"])
    }

    @Test func aSegmentIsChosenByItsName() throws {
        let log = try TestLog()
        for number in 1...3 {
            try log.transaction(number, [Wire.relation(1, "t", ["id*"]), Wire.insert(1, ["1"])])
            try log.seal()
        }
        try log.transaction(4, [Wire.relation(1, "t", ["id*"]), Wire.insert(1, ["1"])])
        #expect(try read(log.spool.path, LogRange(from: position(1), to: position(2))) == (["2t"], 2))
        #expect(try read(log.spool.path, LogRange(from: position(3))) == (["4t"], 2), "the open segment")
        #expect(try read(log.spool.path, LogRange(from: second(2), to: second(2))).rows == ["2t"])
        unlink(log.path(log.names[1]))
        #expect(try read(log.spool.path, LogRange(from: position(2))).rows == ["3t", "4t"])
        let error = try #require(
            #expect(throws: SpoolError.self) { try read(log.spool.path, LogRange(to: position(3))) })
        #expect(error.code == .gap)
    }

    /// A footer has no checksum: an index that cannot be right must not hide changes.
    @Test func anImplausibleIndexIsNotUsed() throws {
        let log = try TestLog()
        let name = try log.writeParts()
        let bytes = try log.folder.read("s/segments/" + name)
        // The commit of the third part moves behind those of the parts after it.
        let wanted = Array("\"last\":{\"lsn\":\"0/1300\"".utf8)
        let place = try #require(bytes.indices.first { bytes[$0...].starts(with: wanted) })
        var damaged = bytes
        damaged[place + wanted.count - 4] = UInt8(ascii: "9")
        try log.folder.write("s/segments/" + name, damaged)
        #expect(try read(log.path(name), LogRange(from: position(5), to: position(7))).rows == ["6u", "7t"])
    }

    @Test func repeatsAndUnfinishedTransactionsAreNotCounted() throws {
        let log = try TestLog()
        let relation = Wire.relation(1, "t", ["id*"])
        try log.transaction(1, [relation, Wire.insert(1, ["1"])])
        try log.chunk([Wire.begin(TestLog.end(2).rawValue - 8, time: 0, xid: 2), Wire.insert(1, ["2"])], at: 0x1100)
        try log.transaction(1, [relation, Wire.insert(1, ["1"])])
        try log.transaction(2, [Wire.insert(1, ["2"])])
        try log.chunk([Wire.begin(TestLog.end(3).rawValue - 8, time: 0, xid: 3), Wire.insert(1, ["3"])], at: 0x1200)
        var events: [String] = []
        let reader = try RangeReader(path: log.spool.path)
        var walker = LogWalker()
        func note(_ event: LogEvent) {
            switch event {
            case .begin(let it): events.append("begin \(it.begin.xid)")
            case .change(_, _, let it, _): events.append("change \(it.begin.xid).\(it.changes)")
            case .commit(_, let it): events.append("commit \(it.begin.xid)")
            case .unfinished(let it): events.append("unfinished \(it.begin.xid)")
            default: break
            }
        }
        while case .chunk(let chunk, let role) = try reader.next() { try walker.take(chunk, role, visit: note) }
        try walker.finish(visit: note)
        #expect(
            events == [
                "begin 1", "change 1.1", "commit 1", "begin 2", "change 2.1", "unfinished 2", "begin 2", "change 2.1",
                "commit 2", "begin 3", "change 3.1", "unfinished 3",
            ])
    }
}
