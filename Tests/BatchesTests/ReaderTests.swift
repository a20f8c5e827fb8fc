import Batches
import Postgres
import Testing

/// Bytes from memory, a few at a time.
struct MemorySource: ByteSource {
    var bytes: ArraySlice<UInt8>
    var step: Int

    init(_ text: String, step: Int = .max) {
        bytes = ArraySlice(text.utf8)
        self.step = step
    }

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(step, buffer.count, bytes.count)
        buffer.copyBytes(from: bytes.prefix(count))
        bytes.removeFirst(count)
        return count
    }
}

@Suite struct ReaderTests {
    /// The line that moves the position.
    private static let move = "WITH moved AS (UPDATE \"walrelay\".\"progress\" SET …;\n"

    private func events(_ text: String, step: Int = .max, bufferBytes: Int = 1 << 16) throws -> [String] {
        var reader = BatchReader(source: MemorySource(text, step: step), bufferBytes: bufferBytes)
        var found: [String] = []
        var data = ""
        while true {
            switch try reader.next() {
            case .preamble(let preamble): found.append("preamble \(preamble.database)")
            case .preambleStatement: break
            case .batchBegin(let header): found.append("batch \(header.range)")
            case .statement(let sql, let rows):
                found.append("\(String(decoding: sql, as: UTF8.self))|\(rows.map(String.init) ?? "-")")
            case .copy(let sql, let rows):
                found.append("\(String(decoding: sql, as: UTF8.self))|\(rows.map(String.init) ?? "-")")
                data = ""
            case .copyData(let lines):
                #expect(lines.last == 0x0A)
                data += String(decoding: lines, as: UTF8.self)
            case .copyEnd: found.append("data \(data)")
            case .commit(let end): found.append("commit \(end)")
            case .rollback: found.append("rollback")
            case .barrier: found.append("barrier")
            case .end(let end): found.append("end \(end.to) \(end.reason)")
            case .endOfInput: return found
            }
        }
    }

    private func sample() throws -> String {
        let it = try Rendering(RenderOptions(order: .source, maxBytes: 400))
        try it.feed(Build.begin(0x100), Build.simple)
        for row in 1...9 { try it.feed(Build.insert(1, [.text("\(row)"), "\\. ; -- rows:9\n"])) }
        try it.feed(Build.update(1, ["1", "a ; -- rows:7"]), Build.commit(0x100, end: 0x108))
        try it.feed(Build.begin(0x200))
        for row in 1...5 { try it.feed(Build.update(1, [.text("\(row)"), .text(String(repeating: "y", count: 99))])) }
        try it.transaction(0x200, Build.truncate([1]), Build.message("m", [1]))
        try it.renderer.end(at: LSN(rawValue: 0x300), reason: "endpos")
        return it.sink.text
    }

    @Test func whatWasRenderedIsRead() throws {
        let found = try events(try sample())
        #expect(found.first == "preamble app")
        #expect(found.contains("COPY \"public\".\"t\" (\"id\",\"v\") FROM stdin;|9"))
        #expect(found.contains("UPDATE \"public\".\"t\" SET \"v\" = 'a ; -- rows:7' WHERE \"id\" = '1';|1"))
        #expect(found.contains("batch 0/108 to the commit at 0/200"))
        #expect(found.contains("rollback"))
        #expect(found.contains("TRUNCATE \"public\".\"t\";|-"))
        #expect(Array(found.suffix(2)) == ["commit 0/300", "end 0/300 endpos"])
        let data = try #require(found.first { $0.hasPrefix("data ") })
        #expect(data.split(separator: "\n").count == 9)
    }

    @Test func whereverTheInputIsSplit() throws {
        let text = try sample()
        let whole = try events(text)
        for step in [1, 2, 3, 5, 7, 64, 100] {
            #expect(try events(text, step: step, bufferBytes: 16) == whole)
        }
    }

    @Test func whereverTheInputEnds() throws {
        let text = try sample()
        let ends = text.utf8.count
        for length in stride(from: 0, to: ends, by: 1) {
            let cut = String(decoding: Array(text.utf8.prefix(length)), as: UTF8.self)
            // A cut after a whole batch is an end without an end mark, which is the caller's to judge.
            guard let found = try? events(cut) else { continue }
            #expect(found.last.map { $0.hasPrefix("commit") || $0 == "rollback" || $0.hasPrefix("preamble") } == true)
        }
    }

    @Test(arguments: [
        ("", BatchError.Code.truncated),
        ("SELECT 1;\n", .malformedBatches),
        (String(repeating: "\0", count: 300_000), .malformedBatches),
        ("-- a comment\n", .malformedBatches),
        ("-- walrelay preamble {\"format\":3}\n", .unsupportedFormat),
        ("-- walrelay preamble {}\n", .malformedBatches),
        ("-- walrelay preamble {\n", .malformedBatches),
        ("@SELECT 1;\n", .malformedBatches),
        ("@-- walrelay commit {\"to\":\"0/1\"}\n", .malformedBatches),
        ("@-- walrelay rollback {}\n", .malformedBatches),
        ("@-- walrelay preamble end\n", .malformedBatches),
        ("@-- walrelay batch {\"from\":\"0/2\",\"to\":\"0/1\",\"transactions\":1}\n", .malformedBatches),
        ("@-- walrelay batch {\"from\":\"0/2\",\"to\":null,\"transactions\":1}\n", .malformedBatches),
        ("@#", .truncated),
        ("@#UPDATE t", .truncated),
        ("@#UPDATE t\n", .malformedBatches),
        ("@#x; -- rows:9999999999999999999999\n", .malformedBatches),
        ("@#COPY t FROM stdin; -- rows:1\n1\n", .truncated),
        ("@#COMMIT;\n", .truncated),
        ("@#COMMIT;\nSELECT 1;\n", .malformedBatches),
        ("@#COMMIT;\n-- walrelay commit {\"to\":\"0/3\"}\n", .malformedBatches),
        ("@#-- walrelay commit {\"to\":\"0/2\"}\n", .malformedBatches),
        ("@#-- walrelay end {\"to\":\"0/2\",\"reason\":\"\"}\n", .malformedBatches),
        ("@##", .malformedBatches),
        ("@#\(move)", .malformedBatches),
        ("@-- walrelay batch {\"from\":\"0/1\",\"to\":\"0/2\",\"transactions\":1}\nCOMMIT;\n", .malformedBatches),
        (
            "@-- walrelay batch {\"from\":\"0/1\",\"to\":\"0/2\",\"transactions\":1}\nBEGIN;\nCOMMIT;\n",
            .malformedBatches
        ),
        ("@#commit;\n", .malformedBatches),
        ("@#SELECT 1;END;\n", .malformedBatches),
    ]) func malformedTextIsRefused(text: String, code: BatchError.Code) throws {
        let preamble = try Rendering().sink.text
        let batch =
            "-- walrelay batch {\"from\":\"0/1\",\"to\":\"0/2\",\"transactions\":1}\nBEGIN;\n\(Self.move)"
        let whole = text.map { $0 == "@" ? preamble : $0 == "#" ? batch : String($0) }.joined()
        let error = #expect(throws: BatchError.self) { try events(whole) }
        #expect(error?.code == code)
    }

    @Test func aLineHasALimit() throws {
        let source = MemorySource(String(repeating: "x", count: 5000))
        var reader = BatchReader(source: source, bufferBytes: 64, maxLineBytes: 1024)
        let error = #expect(throws: BatchError.self) { _ = try reader.next() }
        #expect(error?.code == .malformedBatches)
    }

    @Test func aStatementSaysItsLane() throws {
        let it = try Rendering(RenderOptions(lanes: 3))
        try it.feed(Build.begin(0x100), Build.simple)
        for row in 1...40 { try it.feed(Build.insert(1, [.text("\(row)"), "a"])) }
        try it.feed(Build.truncate([1]), Build.commit(0x100, end: 0x108))
        try it.renderer.end(at: LSN(rawValue: 0x300), reason: "endpos")
        var reader = BatchReader(source: MemorySource(it.sink.text))
        var lanes: [Int] = []
        var rows = 0
        var isBarrier = false
        reading: while true {
            switch try reader.next() {
            case .preamble(let preamble): #expect(preamble.lanes == 3)
            case .copy(let sql, let count):
                #expect(String(decoding: sql, as: UTF8.self).hasSuffix(" FROM stdin;"))
                lanes.append(reader.lane)
                rows += count ?? 0
            case .statement: #expect(reader.lane == 0)
            case .barrier: isBarrier = true
            case .end: break reading
            default: break
            }
        }
        #expect(lanes == [0, 1, 2] && rows == 40 && isBarrier)
    }

    @Test func streamsMayFollowOneAnother() throws {
        let text = try sample()
        #expect(try events(text + text) == events(text) + events(text))
    }
}
