import Batches
import Glibc
import PgOutput
import Postgres
import Spool

/// Inputs to begin with: what a real server sent, in the forms that walrelay gives it.
enum Seeds {
    static let header = SegmentHeader(
        systemIdentifier: "7001", timeline: 1, database: "app", slot: "relay", pluginOptions: ["proto_version": "1"],
        publications: ["all"], serverVersion: 150_018, encoding: "UTF8", start: LSN(rawValue: 0x1000), previous: nil,
        tool: "fuzz")

    static let facts = RelationFacts(
        relation: 1, schema: "public", table: "t", primaryKey: ["id"],
        uniqueIndexes: [RelationFacts.UniqueIndex(name: "u", columns: ["id", "v"])],
        columns: [RelationFacts.Column(name: "id", type: "bigint", identity: "a")])

    /// The messages that framed a streamed transaction would have.
    static let stream: [[UInt8]] = [
        Array("S".utf8) + [0, 0, 2, 7, 1], Array("E".utf8), Array("A".utf8) + [0, 0, 2, 7, 0, 0, 2, 8],
        Array("c".utf8) + [0, 0, 2, 7, 0] + Array(repeating: 1, count: 24),
    ]

    /// A segment with a header and nothing else.
    static let openSegment = segment([], seals: false)

    static func write(_ target: FuzzTarget, to folder: String) throws {
        var number = 0
        func add(_ bytes: [UInt8]) {
            number += 1
            bytes.withUnsafeBytes { ScratchFile.write($0, to: "\(folder)/seed\(number)") }
        }
        let golden = GoldenMessages.all
        switch target {
        case .message: (golden + stream).forEach(add)
        case .records:
            add(records(golden))
            for message in golden.prefix(30) { add(records([golden[0], message])) }
        case .frames, .verify, .recovery:
            add(openSegment)
            add(segment([golden], seals: false))
            add(segment([golden], seals: true))
            add(segment(golden.map { [$0] }, seals: true))
            add(segment([Array(golden.dropLast())], seals: false))
            add(records(golden, header: true))
        case .footer:
            add(footer(segment([golden], seals: true)))
            add(footer(segment(golden.map { [$0] }, seals: true)))
        case .header:
            add(JSON.encode(header))
            add(JSON.encode(facts))
        case .batches:
            add(try batches(golden))
        }
    }

    private static func chunk(_ messages: [[UInt8]]) -> ChunkBuffer {
        let buffer = ChunkBuffer(capacity: 4096)
        for message in messages {
            if message.first == MessageKind.relation.rawValue {
                buffer.append(.relation, lsn: LSN(rawValue: 0x1001), payload: JSON.encode(facts))
            }
            buffer.append(.change, lsn: LSN(rawValue: 0x1001), payload: message)
        }
        // Behind a transaction that is not whole there is no place for one.
        if messages.first?.first == MessageKind.begin.rawValue, messages.last?.first == MessageKind.commit.rawValue {
            buffer.append(.watermark, lsn: LSN(rawValue: 0x7FFF_FFFF), payload: [])
        }
        return buffer
    }

    private static func records(_ messages: [[UInt8]], header isFirst: Bool = false) -> [UInt8] {
        let head = ChunkBuffer(capacity: 4096)
        if isFirst { head.append(.header, lsn: header.start, payload: JSON.encode(header)) }
        let body = chunk(messages)
        return withExtendedLifetime((head, body)) { Array(head.bytes) + Array(body.bytes) }
    }

    /// A whole segment's bytes, with a chunk for each list of messages.
    static func segment(_ chunks: [[[UInt8]]], seals: Bool) -> [UInt8] {
        let descriptor = open(ScratchFile.folder + "/segment", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        do {
            let writer = try SegmentWriter(pipe: descriptor, header: header)
            for messages in chunks {
                let buffer = chunk(messages)
                try withExtendedLifetime(buffer) { try writer.append(buffer.bytes) }
            }
            if seals { try writer.seal() }
        } catch {
            print("no segment: \(error)")
            exit(1)
        }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        return [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            count = max(0, pread(descriptor, bytes.baseAddress, size, 0))
        }
    }

    private static func footer(_ segment: [UInt8]) -> [UInt8] {
        let tail = segment.suffix(12)
        let length = tail.prefix(4).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
        return Array("{".utf8) + segment.dropLast(12).suffix(length).dropFirst(31)
    }

    /// The beginning of a footer's JSON, before `rest`.
    static func checksum(of rest: UnsafeRawBufferPointer) -> [UInt8] {
        let digits = String(XXH64.hash(rest), radix: 16)
        return Array(#"{"checksum":"\#(String(repeating: "0", count: 16 - digits.count))\#(digits)","#.utf8)
    }

    private static func batches(_ messages: [[UInt8]]) throws -> [UInt8] {
        let sink = Sink()
        let renderer = BatchRenderer(options: RenderOptions(), sink: sink)
        try renderer.start(
            StreamIdentity(
                systemIdentifier: "7001", timeline: 1, database: "app", slot: "relay", encoding: "UTF8",
                serverVersion: 150_018, start: LSN(rawValue: 0x1000)))
        for message in messages { try? message.withUnsafeBytes { try renderer.consume($0) } }
        try? renderer.inputIdle()
        return sink.bytes
    }
}

private final class Sink: BatchSink {
    private(set) var bytes: [UInt8] = []
    func write(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
    func flush() {}
}
