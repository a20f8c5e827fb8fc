import Batches
import PgOutput
import Postgres

/// A sink that keeps the text.
final class MemorySink: BatchSink {
    private(set) var bytes: [UInt8] = []
    private(set) var flushes = 0

    var text: String { String(decoding: bytes, as: UTF8.self) }

    func write(_ bytes: UnsafeRawBufferPointer) {
        self.bytes.append(contentsOf: bytes)
    }

    func flush() {
        flushes += 1
    }
}

/// A renderer with its sink, fed with hand-made messages. Commits end 8 bytes after they begin.
final class Rendering {
    let sink = MemorySink()
    let renderer: BatchRenderer

    static let identity = StreamIdentity(
        systemIdentifier: "7", timeline: 1, database: "app", slot: "s", encoding: "UTF8", serverVersion: 150_018,
        start: LSN(rawValue: 0x10))

    init(_ options: RenderOptions = RenderOptions(order: .source), starts: Bool = true) throws {
        renderer = BatchRenderer(options: options, sink: sink)
        if starts { try renderer.start(Rendering.identity) }
    }

    func feed(_ messages: [UInt8]...) throws {
        for message in messages { try message.withUnsafeBytes { try renderer.consume($0) } }
    }

    /// A whole transaction.
    func transaction(_ lsn: UInt64, _ messages: [UInt8]...) throws {
        try feed(MessageBuilder.begin(lsn))
        for message in messages { try feed(message) }
        try feed(MessageBuilder.commit(lsn, end: lsn + 8))
    }

    /// What was written after the preamble, once the input is idle.
    func body() throws -> [String] {
        try renderer.inputIdle()
        let lines = sink.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let end = lines.firstIndex(of: "-- walrelay preamble end") else { return lines }
        return Array(lines[(end + 1)...].dropLast())
    }

    /// The statements without the lines that frame a batch.
    func statements() throws -> [String] {
        try body().filter { line in
            !line.hasPrefix("-- walrelay batch") && !line.hasPrefix("-- walrelay commit") && line != "BEGIN;"
                && line != "COMMIT;" && !line.hasPrefix("WITH moved AS") && !line.hasPrefix("WITH held AS")
        }
    }
}

typealias Build = MessageBuilder

extension MessageBuilder {
    /// `public.t (id int4 key, v text)`, OID 1.
    static let simple = relation(1, "public", "t", "d", [Column(name: "id", isKey: true, type: 23), Column(name: "v")])
}
