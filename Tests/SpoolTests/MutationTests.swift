import Glibc
import Postgres
import Spool
import TestSupport
import Testing

/// Whatever becomes of a file, it is read as far as it is right, or refused; a trap would end this process.
@Suite(.timeLimit(.minutes(4))) struct MutationTests {
    @Test func noDamageOfASealedSegmentPassesTheAudit() throws {
        let it = try TestSpool()
        let name = try Sample.segment(0..<6, in: it.spool)
        let bytes = try it.read(name)
        var mutator = Mutator(seed: 1)
        for round in 0..<2_000 {
            try it.write(name, mutator.mutated(bytes))
            #expect(SegmentVerifier().verify(path: it.path(name)).state == .corrupt, "round \(round)")
        }
    }

    @Test func aDamagedOpenSegmentIsCutToWholeTransactionsOrPutAside() throws {
        let it = try TestSpool()
        let name = try Sample.open(0..<6, in: it.spool).fileName
        let bytes = try it.read(name)
        let ends = Set((-1..<6).map { Sample.end($0) })
        var mutator = Mutator(seed: 2)
        for round in 0..<1_000 {
            for left in try it.names() { unlink(it.path(left)) }
            try it.write(name, mutator.mutated(bytes))
            guard let recovered = try it.spool.recover() else {
                #expect(try it.names() == [name + ".damaged"], "round \(round)")
                continue
            }
            #expect(ends.contains(recovered.end), "round \(round)")
            let report = SegmentVerifier().verify(path: it.path(name))
            #expect(report.state == .open && report.end == recovered.end, "round \(round)")
        }
    }

    @Test func mutatedRecordsAreReadOrRefused() throws {
        let chunk = Sample.chunk(0..<3, layout: true)
        let bytes = withExtendedLifetime(chunk) { Array(chunk.bytes) }
        var mutator = Mutator(seed: 3)
        var refused = 0
        for _ in 0..<5_000 {
            mutator.mutated(bytes).withUnsafeBytes { damaged in
                var indexer = SegmentIndexer(start: Sample.start)
                do {
                    try indexer.consume(Chunk(bytes: damaged, file: "f", offset: 0))
                } catch {
                    #expect((error as? SpoolError)?.code == .corrupt)
                    refused += 1
                }
            }
        }
        #expect(refused > 1_000)
    }

    @Test func mutatedHeadersAreReadOrRefused() throws {
        let bytes = JSON.encode(Sample.header())
        var mutator = Mutator(seed: 4)
        for _ in 0..<5_000 {
            mutator.mutated(bytes).withUnsafeBytes { damaged in
                do {
                    _ = try SegmentHeader(payload: damaged, file: "f")
                } catch {
                    let code = (error as? SpoolError)?.code
                    #expect(code == .corrupt || code == .unsupported)
                }
            }
        }
    }
}
