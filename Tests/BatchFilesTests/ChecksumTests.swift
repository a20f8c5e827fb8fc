import BatchFiles
import Batches
import Spool
import TestSupport
import Testing

/// The line that says what a sealed file's text was.
struct ChecksumTests {
    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder("checksums")
    }

    /// A sealed file of one batch, and its bytes.
    private func sealed(isCompressed: Bool) throws -> (path: String, bytes: [UInt8]) {
        let path = temporary.path("batches")
        let folder = try BatchFolder(path, settings: BatchFolder.Settings(isCompressed: isCompressed))
        let identity = StreamIdentity(
            systemIdentifier: "7", timeline: 1, database: "app", slot: "s", encoding: "UTF8", serverVersion: 150_000,
            start: NameTests.lsn(0x10))
        try folder.begin(
            BatchPreamble(
                identity: identity, from: NameTests.lsn(0x10), stream: "walrelay", order: .net, isSelection: false,
                tool: "test"))
        var text =
            "-- a batch, as far as a file is concerned\nSELECT 1;\n"
            + "-- walrelay commit {\"to\":\"0/20\"}\n"
        try text.withUTF8 { try folder.write(UnsafeRawBufferPointer($0)) }
        try folder.completed(to: NameTests.lsn(0x20))
        try folder.finish()
        let file = try #require(try BatchFileList(path).paths(after: nil).first)
        return (file, try temporary.read(String(file.dropFirst(temporary.path("").count))))
    }

    /// The beginning, the end, and some of what lies between.
    private func places(_ count: Int) -> [Int] {
        (0..<count).filter { $0 < 32 || $0 >= count - 128 || $0 % 31 == 0 }
    }

    @Test(arguments: [false, true])
    func anyChangeOfAnyByteIsFound(isCompressed: Bool) throws {
        let (path, bytes) = try sealed(isCompressed: isCompressed)
        try BatchFileChecksum.check(path)
        let name = String(path.dropFirst(temporary.path("").count))
        for index in places(bytes.count) {
            var changed = bytes
            // The low half of the last token of an LZ4 block means nothing.
            changed[index] ^= 0x80
            try temporary.write(name, changed)
            #expect(throws: (any Error).self, "byte \(index) of \(bytes.count)") { try BatchFileChecksum.check(path) }
        }
    }

    @Test(arguments: [false, true])
    func anyMissingEndIsFound(isCompressed: Bool) throws {
        let (path, bytes) = try sealed(isCompressed: isCompressed)
        let name = String(path.dropFirst(temporary.path("").count))
        for count in places(bytes.count) {
            try temporary.write(name, Array(bytes[..<count]))
            #expect(throws: (any Error).self, "\(count) of \(bytes.count) bytes") { try BatchFileChecksum.check(path) }
        }
    }

    /// Files are read or passed over by their names.
    @Test(arguments: [(0x10, 0x30), (0x0, 0x20), (0x20, 0x30), (0x0, 0xFF), (0x10, 0x18)])
    func anotherFilesNameIsFound(_ from: Int, _ to: Int) throws {
        let (_, bytes) = try sealed(isCompressed: false)
        let name = BatchFileName(from: NameTests.lsn(from), to: NameTests.lsn(to), isCompressed: false).fileName
        try temporary.write(name, bytes)
        let error = #expect(throws: SpoolError.self) { try BatchFileChecksum.check(temporary.path(name)) }
        #expect(error?.code == .corrupt, "\(name)")
    }

    @Test func aRedirectedOutputNeedsNoChecksum() throws {
        let (_, bytes) = try sealed(isCompressed: false)
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
        try temporary.write("output.sql", Array(lines.dropLast(2).joined(separator: [0x0A])) + [0x0A])
        try BatchFileChecksum.check(temporary.path("output.sql"))
    }
}
