import Batches
import Postgres
import Testing

/// A log that continues with another timeline of its source.
@Suite struct TimelineTests {
    /// The timeline after the rendering's own, which ended at `fork`.
    private func next(_ fork: UInt64, start: UInt64 = 0x108, log: String? = nil) -> StreamIdentity {
        var identity = Rendering.identity
        identity.timeline = 2
        identity.history = [TimelineEnd(timeline: 1, end: LSN(rawValue: fork))]
        identity.logID = log
        identity.start = LSN(rawValue: start)
        return identity
    }

    @Test func theBatchesFromThereOnHaveAPreambleOfTheirOwn() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        try it.renderer.start(next(0x140))
        try it.transaction(0x200, Build.simple, Build.insert(1, ["2", "b"]))
        try it.renderer.end(at: LSN(rawValue: 0x300), reason: "endpos")

        var reader = BatchReader(source: MemorySource(it.sink.text))
        var found: [String] = []
        reading: while true {
            switch try reader.next() {
            case .preamble(let preamble): found.append("timeline \(preamble.timeline) from \(preamble.from)")
            case .batchBegin(let header): found.append("batch \(header.range)")
            case .end: break reading
            default: break
            }
        }
        #expect(
            found == [
                "timeline 1 from 0/10", "batch 0/10 to 0/108", "timeline 2 from 0/108", "batch 0/108 to 0/208",
                "batch 0/208 to 0/300",
            ])
        #expect(it.sink.text.contains("SET position = '0/108', timeline = 1,"))
        #expect(it.sink.text.contains("SET position = '0/300', timeline = 2,"))
        // For psql, the check lets pass what was on the old one up to its end.
        #expect(it.sink.text.contains("p.position OPERATOR(pg_catalog.<=) '0/140'"))
    }

    @Test func whatBranchedOffBeforeIsRefused() throws {
        let it = try Rendering()
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        let before = #expect(throws: BatchError.self) { try it.renderer.start(next(0x104)) }
        #expect(before?.code == .foreignStream)
        var unknown = next(0x140)
        unknown.history = []
        let other = #expect(throws: BatchError.self) { try it.renderer.start(unknown) }
        #expect(other?.code == .foreignStream)
    }

    @Test func anotherLogIsRefused() throws {
        let it = try Rendering(starts: false)
        var first = Rendering.identity
        first.logID = "one"
        try it.renderer.start(first)
        try it.transaction(0x100, Build.simple, Build.insert(1, ["1", "a"]))
        let error = #expect(throws: BatchError.self) { try it.renderer.start(next(0x140, log: "two")) }
        #expect(error?.code == .foreignStream)
        try it.renderer.start(next(0x140, log: "one"))
    }
}
