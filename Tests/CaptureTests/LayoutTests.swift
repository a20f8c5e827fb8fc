import Capture
import Postgres
import Testing

/// A segment can be decoded alone: each layout stands in it before its first use.
@Suite struct LayoutTests {
    @Test func aLayoutIsRepeatedOncePerSegmentBeforeItsFirstUse() throws {
        let it = Assembly()
        try it.take(Build.relation(1, "one"))
        try it.take(Build.relation(2, "two"))
        #expect(try it.records() == [])
        try it.transaction(
            0x200, Build.insert(1, "a"), Build.update(1, "b"), Build.insert(2, "c"), Build.delete(1, "b"))
        #expect(
            try it.records() == [
                "begin 0/200", "facts one", "layout one", "insert 1", "update 1", "facts two", "layout two", "insert 2",
                "delete 1", "commit 0/208",
            ])
        try it.transaction(0x300, Build.insert(2, "a"), Build.insert(1, "a"))
        #expect(try it.records() == ["begin 0/300", "insert 2", "insert 1", "commit 0/308"])

        it.assembler.beginSegment()
        try it.transaction(0x400, Build.delete(2, "a"), Build.delete(2, "b"))
        #expect(try it.records() == ["begin 0/400", "facts two", "layout two", "delete 2", "delete 2", "commit 0/408"])
        try it.transaction(0x500, Build.insert(1, "a"))
        #expect(try it.records() == ["begin 0/500", "facts one", "layout one", "insert 1", "commit 0/508"])
        #expect(it.asked == [1, 2])
    }

    @Test func aChangedLayoutIsWrittenAgainBeforeItsNextUse() throws {
        let it = Assembly()
        try it.take(Build.relation(1, "before"))
        try it.transaction(
            0x200, Build.insert(1, "a"), Build.relation(1, "after"), Build.insert(1, "b"), Build.insert(1, "c"))
        #expect(
            try it.records() == [
                "begin 0/200", "facts before", "layout before", "insert 1", "facts after", "layout after", "insert 1",
                "insert 1", "commit 0/208",
            ])
        it.assembler.beginSegment()
        try it.transaction(0x300, Build.insert(1, "d"))
        #expect(try it.records() == ["begin 0/300", "facts after", "layout after", "insert 1", "commit 0/308"])
        #expect(it.asked == [1, 1])
    }

    @Test func aTruncateBringsTheLayoutsOfAllItsTables() throws {
        let it = Assembly()
        for id: UInt32 in 1...3 { try it.take(Build.relation(id, "t\(id)")) }
        try it.transaction(0x200, Build.insert(2, "a"), Build.truncate([3, 2, 1]))
        #expect(
            try it.records() == [
                "begin 0/200", "facts t2", "layout t2", "insert 2", "facts t3", "layout t3", "facts t1", "layout t1",
                "truncate [3, 2, 1]", "commit 0/208",
            ])
    }

    @Test func theTypesOfALayoutComeWithIt() throws {
        let it = Assembly()
        try it.take(Build.type(99, "mood"))
        try it.take(Build.type(98, "other"))
        try it.take(Build.relation(1, "t", type: 99))
        try it.transaction(0x200, Build.insert(1, "a"))
        let layout = ["type mood", "facts t", "layout t"]
        #expect(try it.records() == ["begin 0/200"] + layout + ["insert 1", "commit 0/208"])
        it.assembler.beginSegment()
        try it.transaction(0x300, Build.insert(1, "a"))
        #expect(try it.records() == ["begin 0/300"] + layout + ["insert 1", "commit 0/308"])
    }

    @Test func withoutFactsTheLayoutStandsAlone() throws {
        let it = Assembly()
        it.unknown = [1]
        try it.take(Build.relation(1, "dropped"))
        try it.transaction(0x200, Build.insert(1, "a"))
        #expect(try it.records() == ["begin 0/200", "layout dropped", "insert 1", "commit 0/208"])
    }

    @Test func aChangeOfATableWithoutLayoutIsAnError() throws {
        for change in [Build.insert(7, "a"), Build.update(7, "a"), Build.delete(7, "a"), Build.truncate([1, 7])] {
            let it = Assembly()
            try it.take(Build.relation(1, "t"))
            try it.take(Build.begin(0x200))
            let error = try #require(#expect(throws: CaptureError.self) { try it.take(change, at: 0x150) })
            #expect(error.code == .protocolViolation)
            #expect(error.message.contains("relation 7") && error.message.contains("0/150"))
        }
    }
}
