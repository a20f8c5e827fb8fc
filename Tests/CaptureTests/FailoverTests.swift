import Logging
import Postgres
import Spool
import TestSupport
import Testing
import Threading

@testable import Capture

/// Which source may continue a log.
@Suite struct FailoverTests {
    private let folder: TemporaryFolder
    private let spool: SpoolDirectory

    init() throws {
        folder = try TemporaryFolder("failover")
        spool = SpoolDirectory(folder.path("s"))
        _ = try spool.open(for: SpoolIdentity(systemIdentifier: "7", database: "app", slot: "relay"))
    }

    private func history(_ ends: (UInt32, UInt64)...) -> [TimelineEnd] {
        ends.map { TimelineEnd(timeline: $0.0, end: LSN(rawValue: $0.1)) }
    }

    /// A log on timeline 2 that ends at 0/5000, with an end record.
    private func tail() throws -> LogTail {
        let header = SegmentHeader(
            systemIdentifier: "7", timeline: 2, database: "app", slot: "relay", pluginOptions: [:],
            publications: ["all"], serverVersion: 170_000, encoding: "UTF8", start: LSN(rawValue: 0x4000),
            history: history((1, 0x3000)),
            tool: "tests")
        let writer = try spool.begin(header)
        let buffer = ChunkBuffer(capacity: 4096)
        buffer.append(.end, lsn: LSN(rawValue: 0x5000), payload: Array(#"{"reason":"endpos","endpos":"0/5000"}"#.utf8))
        try withExtendedLifetime(buffer) { try writer.append(buffer.bytes) }
        try writer.seal()
        return try #require(try LogTail(spool, nil))
    }

    private func refusal(_ body: () throws -> Void) throws -> CaptureError {
        try #require(#expect(throws: CaptureError.self) { try body() })
    }

    @Test func anEmptySpoolHasNoEnd() throws {
        #expect(try LogTail(spool, nil) == nil)
    }

    @Test func theSlotMustNotBePastTheLog() throws {
        let tail = try tail()
        #expect(tail.end == LSN(rawValue: 0x5000) && tail.hasEnd)
        try tail.check(slot: "relay", confirmed: LSN(rawValue: 0x5000))
        let error = try refusal { try tail.check(slot: "relay", confirmed: LSN(rawValue: 0x5001)) }
        #expect(error.code == .gap && error.message.contains("0/5001") && error.message.contains("0/5000"))
    }

    @Test func everyRefusalNamesThePositionsAndAWayOut() throws {
        let tail = try tail()
        #expect(try !tail.checkIsContinued(by: Timeline(2, history: history((1, 0x3000)))))
        #expect(try tail.checkIsContinued(by: Timeline(3, history: history((1, 0x3000), (2, 0x5000)))))
        let cases: [(Timeline, [String])] = [
            (Timeline(3, history: history((1, 0x3000), (2, 0x4FF8))), ["0/4FF8", "0/5000", "new copy"]),
            (Timeline(3, history: history((1, 0x3000))), ["1 until 0/3000", "0/5000", "new copy"]),
            (Timeline(3, history: nil), ["not known", "0/5000", "new copy"]),
            (Timeline(2, history: history((1, 0x2000))), ["1 until 0/2000", "0/5000", "new copy"]),
            (Timeline(1, history: nil), ["0/3000", "0/5000", "target_session_attrs"]),
        ]
        for (source, words) in cases {
            let error = try refusal { _ = try tail.checkIsContinued(by: source) }
            #expect(error.code == .timelineSwitch)
            for word in words { #expect(error.message.contains(word), "\(error)") }
        }
    }

    private func wait(
        _ positions: [UInt64], isStandby: Bool, patience: Int = 60_000, stop: StopRequest = StopRequest()
    ) throws {
        var rest = positions[...]
        let next = { LSN(rawValue: rest.count > 1 ? rest.removeFirst() : rest.first ?? 0) }
        let wait = SourceWait(
            end: LSN(rawValue: 0x6018), position: next, isStandby: { isStandby }, patience: patience)
        try wait.run(log: "spool", stop: stop, logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test func aSourceThatIsBehindTheLogIsRefused() throws {
        for position: UInt64 in [0x6018, 0x6000, 0x7000] { try wait([position], isStandby: false) }
        let error = try refusal { try wait([0x5FF8, 0x7000], isStandby: false) }
        #expect(error.code == .sourceBehind)
        for word in ["0/5FF8", "0/6018", "new copy"] { #expect(error.message.contains(word), "\(error)") }
    }

    @Test func aStandbyIsWaitedFor() throws {
        try wait([0x5000, 0x5500, 0x6000], isStandby: true)
        #expect(try refusal { try wait([0x5000], isStandby: true, patience: 300) }.code == .sourceBehind)
        let stop = StopRequest()
        stop.request()
        #expect(try refusal { try wait([0x5000, 0x5000, 0x7000], isStandby: true, stop: stop) }.code == .sourceBehind)
    }
}
