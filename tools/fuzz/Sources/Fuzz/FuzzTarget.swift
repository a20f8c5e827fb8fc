import Batches
import Glibc
import PgOutput
import Postgres
import Spool

/// A parser, and how bytes come to it.
enum FuzzTarget: String, CaseIterable {
    /// A pgoutput message, from the server.
    case message
    /// The records of a chunk, from a frame that is whole.
    case records
    /// The frames of a file or pipe.
    case frames
    /// A footer's JSON, in an otherwise whole segment.
    case footer
    /// A header record's JSON, and a relation record's.
    case header
    /// `inspect verify` of a file.
    case verify
    /// Opening a spool whose open segment is damaged.
    case recovery
    /// Batch text.
    case batches

    func run(_ bytes: UnsafeRawBufferPointer) {
        switch self {
        case .message: Self.message(bytes)
        case .records: Self.records(bytes)
        case .frames: Self.frames(bytes)
        case .footer: Self.footer(bytes)
        case .header: Self.header(bytes)
        case .verify: Self.verify(bytes)
        case .recovery: Self.recovery(bytes)
        case .batches: Self.batches(bytes)
        }
    }

    private static func message(_ bytes: UnsafeRawBufferPointer) {
        _ = try? StreamMessage(decoding: bytes)
        guard let message = try? Message(decoding: bytes) else { return }
        var columns = 0
        func walk(_ tuple: Tuple) {
            var cursor = tuple.columns
            while let value = cursor.next() {
                columns += 1
                if case .text(let text) = value { columns &+= Int(text.last ?? 0) }
            }
        }
        switch message {
        case .insert(_, let new): walk(new)
        case .update(_, let old, let new):
            if let old { walk(old.tuple) }
            walk(new)
        case .delete(_, let old): walk(old.tuple)
        default: break
        }
        precondition(columns >= 0)
    }

    private static func records(_ bytes: UnsafeRawBufferPointer) {
        var indexer = SegmentIndexer(start: LSN(rawValue: 0x1000))
        try? indexer.consume(Chunk(bytes: bytes, file: "fuzz", offset: 0))
        _ = indexer.finished()
    }

    private static func frames(_ bytes: UnsafeRawBufferPointer) {
        ScratchFile.image.fill(bytes)
        do {
            let reader = try StreamReader(path: ScratchFile.image.path)
            while case .chunk(let chunk) = try reader.next() {
                var cursor = RecordCursor(chunk)
                while try cursor.next() != nil {}
            }
        } catch {}
    }

    private static func footer(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        var frame: [UInt8] = []
        func append(_ value: Int) {
            withUnsafeBytes(of: UInt32(value).littleEndian) { frame.append(contentsOf: $0) }
        }
        // Without its checksum every change would be refused for that.
        let json = Seeds.checksum(of: UnsafeRawBufferPointer(rebasing: bytes.dropFirst()))
        append(0x184D_2A50)
        append(json.count + bytes.count - 1 + 12)
        frame += json
        frame += bytes.dropFirst()
        append(json.count + bytes.count - 1)
        frame += Array("WALRELAY".utf8)
        let image = Seeds.openSegment + frame
        image.withUnsafeBytes { ScratchFile.image.fill($0) }
        _ = SegmentVerifier().verify(path: ScratchFile.image.path)
    }

    private static func header(_ bytes: UnsafeRawBufferPointer) {
        _ = try? SegmentHeader(payload: bytes, file: "fuzz")
        let _: RelationFacts? = try? JSON.decode(bytes, what: "facts", file: "fuzz")
    }

    private static func verify(_ bytes: UnsafeRawBufferPointer) {
        ScratchFile.image.fill(bytes)
        _ = SegmentVerifier().verify(path: ScratchFile.image.path)
    }

    private static func recovery(_ bytes: UnsafeRawBufferPointer) {
        let spool = ScratchFile.spool
        let path = spool.segmentsPath + "/" + Seeds.header.name.fileName
        ScratchFile.write(bytes, to: path)
        let recovered = try? spool.recover()
        if recovered != nil {
            // What was repaired must be whole.
            precondition(SegmentVerifier().verify(path: path).isSound)
        }
        let sealed = spool.segmentsPath + "/" + Seeds.header.name.sealed.fileName
        for name in [path, path + ".damaged", path + ".repair", sealed] { unlink(name) }
    }

    private static func batches(_ bytes: UnsafeRawBufferPointer) {
        var reader = BatchReader(
            source: FuzzSource(bytes: bytes), bufferBytes: 64, maxLineBytes: 1 << 20)
        do {
            while true {
                switch try reader.next() {
                case .endOfInput, .end: return
                default: continue
                }
            }
        } catch {}
    }
}
