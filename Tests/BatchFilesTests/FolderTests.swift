import BatchFiles
import Batches
import Glibc
import Postgres
import Spool
import TestSupport
import Testing

/// Writing to a folder of batches, and choosing from it.
struct FolderTests {
    private let temporary: TemporaryFolder
    private var path: String { temporary.path("batches") }

    init() throws {
        temporary = try TemporaryFolder("batches")
    }

    private static func preamble(_ from: Int, system: String = "7", stream: String = "walrelay") -> BatchPreamble {
        let identity = StreamIdentity(
            systemIdentifier: system, timeline: 1, database: "app", slot: "s", encoding: "UTF8", serverVersion: 150_000,
            start: NameTests.lsn(from))
        return BatchPreamble(
            identity: identity, from: NameTests.lsn(from), stream: stream, order: .net, isSelection: false, tool: "test"
        )
    }

    private func folder(_ settings: BatchFolder.Settings = BatchFolder.Settings()) throws -> BatchFolder {
        try BatchFolder(path, settings: settings)
    }

    private func write(_ folder: BatchFolder, _ text: String) throws {
        var text = text
        try text.withUTF8 { try folder.write(UnsafeRawBufferPointer($0)) }
    }

    /// A batch of the given length.
    private func batch(_ folder: BatchFolder, _ from: Int, _ to: Int, bytes: Int = 100) throws {
        try write(
            folder,
            """
            -- walrelay batch {"from":"\(NameTests.lsn(from))","to":"\(NameTests.lsn(to))","transactions":1,"changes":1}
            BEGIN;
            WITH moved AS (UPDATE "walrelay"."progress" SET …;
            SELECT '\(String(repeating: "x", count: bytes))';
            COMMIT;
            -- walrelay commit {"to":"\(NameTests.lsn(to))"}

            """)
        try folder.completed(to: NameTests.lsn(to))
    }

    private func end(_ folder: BatchFolder, _ at: Int) throws {
        try write(folder, "-- walrelay end {\"to\":\"\(NameTests.lsn(at))\",\"reason\":\"input-end\"}\n")
        try folder.completed(to: NameTests.lsn(at))
        try folder.finish()
    }

    private func names() throws -> [String] { try BatchFileList(path).files.map(\.fileName) }

    /// What the reader finds in the files, in order: the ends of batches, and `end`.
    private func events(_ paths: [String]) throws -> [String] {
        var events: [String] = []
        for path in paths {
            var reader = BatchReader(source: try BatchFileSource(path))
            reading: while true {
                switch try reader.next() {
                case .preamble(let preamble): events.append("from \(preamble.from)")
                case .commit(let end): events.append("\(end)")
                case .end: events.append("end")
                case .endOfInput: break reading
                default: break
                }
            }
        }
        return events
    }

    @Test(arguments: [false, true])
    func filesAreSealedWhenTheyAreFull(isCompressed: Bool) throws {
        let folder = try folder(BatchFolder.Settings(isCompressed: isCompressed, fileBytes: 3_000_000))
        try folder.begin(Self.preamble(0x10))
        try batch(folder, 0x10, 0x20, bytes: 2_000_000)
        try batch(folder, 0x20, 0x30, bytes: 2_000_000)
        try batch(folder, 0x30, 0x40)
        #expect(try names().count == 1, "the open file has no name yet")
        try end(folder, 0x40)
        let suffix = isCompressed ? ".sql.lz4" : ".sql"
        #expect(
            try names() == [
                "0000000000000010-0000000000000030" + suffix, "0000000000000030-0000000000000040" + suffix,
            ])
        let list = try BatchFileList(path)
        #expect(
            try events(list.paths(after: nil)) == ["from 0/10", "0/20", "0/30", "from 0/30", "0/40", "end"])
        #expect(try list.stream() == "walrelay")
    }

    @Test func otherToolsReadCompressedFiles() async throws {
        let folder = try folder(BatchFolder.Settings(isCompressed: true))
        try folder.begin(Self.preamble(0x10))
        try batch(folder, 0x10, 0x20, bytes: 5_000_000)
        try end(folder, 0x20)
        let file = try #require(try BatchFileList(path).paths(after: nil).first)
        let plain = temporary.path("plain.sql")
        try await Program.shell("lz4 -t '\(file)' && lz4 -dc '\(file)' >'\(plain)'").checked("lz4")
        #expect(try events([plain]) == ["from 0/10", "0/20", "end"])
        // One frame of any size, as the tool makes it.
        let again = temporary.path("again.lz4")
        try await Program.shell("lz4 -9 -q '\(plain)' '\(again)'").checked("lz4")
        #expect(try events([again]) == ["from 0/10", "0/20", "end"])
        let size = try temporary.read("again.lz4").count
        for count in [size - 1, size / 2, 10] {
            try await Program.shell("head -c \(count) '\(again)' >'\(temporary.path("cut"))'").checked("head")
            let error = #expect(throws: SpoolError.self) { try events([temporary.path("cut")]) }
            #expect(error?.code == .torn, "\(count)")
        }
        var bytes = try temporary.read("again.lz4")
        bytes[size - 2] ^= 1
        try temporary.write("damaged", bytes)
        let error = #expect(throws: SpoolError.self) { try events([temporary.path("damaged")]) }
        #expect(error?.code == .corrupt)
    }

    @Test func writingGoesOnBehindTheLastWholeFile() throws {
        do {
            let folder = try folder(BatchFolder.Settings(fileBytes: 1))
            #expect(folder.last == nil)
            try folder.begin(Self.preamble(0x10))
            try batch(folder, 0x10, 0x20)
            try batch(folder, 0x20, 0x30)
            // A batch that is not whole when its writer ends.
            try write(folder, "-- walrelay batch {}\nBEGIN;\n")
            try folder.finish()
        }
        try temporary.write("batches/00000000000000FF.sql.lz4.partial", "left by a killed writer")
        try temporary.write("batches/notes.sql.partial", "someone's own")
        let folder = try folder()
        #expect(folder.first?.from == NameTests.lsn(0x10))
        #expect(folder.last?.to == NameTests.lsn(0x30))
        #expect(access(temporary.path("batches/00000000000000FF.sql.lz4.partial"), F_OK) != 0)
        #expect(access(temporary.path("batches/0000000000000030.sql.partial"), F_OK) != 0)
        #expect(access(temporary.path("batches/notes.sql.partial"), F_OK) == 0)
        try folder.begin(Self.preamble(0x30))
        try batch(folder, 0x30, 0x40)
        try end(folder, 0x40)
        #expect(
            try events(BatchFileList(path).paths(after: nil))
                == ["from 0/10", "0/20", "from 0/20", "0/30", "from 0/30", "0/40", "end"])
    }

    @Test func nothingNewMakesNoFile() throws {
        for _ in 0..<2 {
            let folder = try folder()
            let start = folder.last == nil ? 0x10 : 0x20
            try folder.begin(Self.preamble(start))
            if start == 0x10 { try batch(folder, 0x10, 0x20) }
            try end(folder, 0x20)
        }
        #expect(try names() == ["0000000000000010-0000000000000020.sql"])
        // Sealed by its size, the last file has no end line; then one with nothing else is needed.
        do {
            let full = try folder(BatchFolder.Settings(fileBytes: 1))
            try full.begin(Self.preamble(0x20))
            try batch(full, 0x20, 0x30)
        }
        for _ in 0..<2 {
            let folder = try folder()
            try folder.begin(Self.preamble(0x30))
            try end(folder, 0x30)
        }
        #expect(
            try names().suffix(2) == ["0000000000000020-0000000000000030.sql", "0000000000000030-0000000000000030.sql"])
        #expect(try events(BatchFileList(path).paths(after: NameTests.lsn(0x30))) == ["from 0/30", "end"])
    }

    @Test func anotherSourceOrPositionOrWriterIsRefused() throws {
        do {
            let folder = try folder()
            try folder.begin(Self.preamble(0x10))
            try batch(folder, 0x10, 0x20)
            let error = #expect(throws: SpoolError.self) { try self.folder() }
            #expect(error?.code == .locked)
            try end(folder, 0x20)
        }
        for preamble in [Self.preamble(0x20, system: "8"), Self.preamble(0x20, stream: "other")] {
            let error = #expect(throws: BatchError.self) { try folder().begin(preamble) }
            #expect(error?.code == .foreignStream)
        }
    }

    @Test func oldFilesAreSealed() throws {
        let folder = try folder(BatchFolder.Settings(fileAgeSeconds: 1))
        try folder.begin(Self.preamble(0x10))
        try batch(folder, 0x10, 0x20)
        #expect(try names().isEmpty)
        while !folder.isDue { usleep(10_000) }
        try folder.sealIfDue()
        #expect(try names() == ["0000000000000010-0000000000000020.sql"])
        #expect(!folder.isDue)
        try folder.finish()
        #expect(try names().count == 1)
    }

    @Test func aTargetGetsWhatItNeeds() throws {
        let names = [(0x10, 0x20), (0x20, 0x30), (0x40, 0x50), (0x50, 0x50)].map {
            BatchFileName(from: NameTests.lsn($0), to: NameTests.lsn($1), isCompressed: false).fileName
        }
        mkdir(path, 0o755)
        for name in names { try temporary.write("batches/\(name)", Self.preamble(1).withText { Array($0) }) }
        let list = try BatchFileList(path + "/")
        func needed(_ position: Int?) throws -> [String] {
            try list.paths(after: position.map(NameTests.lsn)).map {
                $0.split(separator: "/").last.map(String.init) ?? ""
            }
        }
        for position in [nil, 0x10, 0x18, 0x20, 0x30, 0x35, 0x3F, 0x8] {
            let error = #expect(throws: SpoolError.self, "\(position ?? 0)") { try needed(position) }
            #expect(error?.code == .gap)
        }
        #expect(try needed(0x40) == [names[2], names[3]])
        #expect(try needed(0x48) == [names[2], names[3]])
        #expect(try needed(0x50) == [names[3]])
        #expect(try needed(0x60) == [names[3]])
    }
}
