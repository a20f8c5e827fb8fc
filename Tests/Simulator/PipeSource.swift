import Batches

/// Reads what a transform writes, and lets the world go on meanwhile.
struct PipeSource: ByteSource {
    let stage: TransformStage
    let history: History

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        while true {
            let count = stage.pipe.read(into: buffer, most: 1 + history.below(4_000))
            if count > 0 { return count }
            if stage.pipe.isClosed { return 0 }
            _ = try history.transform(stage)
            try history.tick()
        }
    }
}

/// The lines of the text, as psql takes them.
struct LineSource {
    private var source: PipeSource
    private var bytes: [UInt8] = []

    init(_ source: PipeSource) {
        self.source = source
    }

    /// The next line without its newline; nil at the end.
    mutating func next() throws -> [UInt8]? {
        while true {
            if let newline = bytes.firstIndex(of: 0x0A) {
                let line = Array(bytes[..<newline])
                bytes.removeFirst(newline + 1)
                return line
            }
            var part = [UInt8](repeating: 0, count: 4_096)
            let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
            guard count > 0 else { return nil }
            bytes.append(contentsOf: part[..<count])
        }
    }
}

/// A statement as it stands on a line.
struct StatementLine {
    let statement: [UInt8]
    let rows: Int?

    /// Takes `…;` and `…; -- rows:N`.
    init(_ line: [UInt8]) throws {
        if line.last == UInt8(ascii: ";") {
            statement = Array(line.dropLast())
            rows = nil
            return
        }
        let digits = line.reversed().prefix { (0x30...0x39).contains($0) }.count
        let end = Array("; -- rows:".utf8)
        let rest = line.dropLast(digits)
        guard digits > 0, rest.suffix(end.count).elementsEqual(end) else {
            throw SQLScanner(line).unknown("no end of a statement")
        }
        statement = Array(rest.dropLast(end.count))
        rows = Int(String(decoding: line.suffix(digits), as: UTF8.self))
    }
}
