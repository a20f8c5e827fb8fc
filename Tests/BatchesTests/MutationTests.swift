import Batches
import TestSupport
import Testing

/// Text that is not batches is refused; a trap would end this process.
@Suite struct MutationTests {
    @Test func mutatedTextIsReadOrRefused() throws {
        let it = try Rendering(RenderOptions(maxBytes: 400))
        try it.feed(Build.begin(0x100), Build.simple)
        for row in 1...9 { try it.feed(Build.insert(1, [.text("\(row)"), "\\. ; -- rows:9\n"])) }
        try it.feed(Build.update(1, ["1", "a ; -- rows:7"]), Build.commit(0x100, end: 0x108))
        try it.transaction(0x200, Build.truncate([1]), Build.message("m", [1]))
        _ = try it.body()
        var mutator = Mutator(seed: 5)
        var refused = 0
        for _ in 0..<2_000 {
            let damaged = mutator.mutated(it.sink.bytes)
            do {
                try read(damaged)
            } catch {
                #expect(error is BatchError)
                refused += 1
            }
        }
        #expect(refused > 500)
    }

    private func read(_ bytes: [UInt8]) throws {
        var source = MemorySource("", step: 61)
        source.bytes = ArraySlice(bytes)
        var reader = BatchReader(source: source, bufferBytes: 64, maxLineBytes: 1 << 20)
        while true {
            switch try reader.next() {
            case .endOfInput, .end: return
            default: continue
            }
        }
    }
}
