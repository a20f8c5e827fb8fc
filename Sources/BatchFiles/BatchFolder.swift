import Batches
import Glibc
import Postgres
import Spool
import Threading

/// A folder that batches are written to, as files that each begin with a preamble and are sealed when they are whole.
///
/// A sealed file never changes, and is durable before the next one is. So whatever happens, the sealed files are a log
/// of batches without a gap, and writing continues after them.
public final class BatchFolder: BatchSink {
    /// When a file is sealed, and how it is written.
    public struct Settings: Sendable {
        /// Files are LZ4 frames.
        public var isCompressed: Bool
        /// A file is sealed at the first batch at which its text is this long, in bytes.
        public var fileBytes: Int
        /// So many seconds after the one before, a file is sealed if it holds anything.
        public var fileAgeSeconds: Int

        /// The given settings.
        public init(isCompressed: Bool = false, fileBytes: Int = 64 << 20, fileAgeSeconds: Int = 60) {
            self.isCompressed = isCompressed
            self.fileBytes = fileBytes
            self.fileAgeSeconds = fileAgeSeconds
        }
    }

    private let path: String
    private let settings: Settings
    private let lock: SpoolLock
    /// What every file begins with; its position is put in for each.
    private var preamble: BatchPreamble?
    private var writer: BatchFileWriter?
    /// The end of the last batch written.
    private var end = LSN.zero
    /// No batch is open in the file, and every write succeeded.
    private var isWhole = true
    private var due: Deadline
    /// The file that the folder ended with when it was opened; nil for an empty folder.
    public let last: BatchFileName?
    /// The file that the folder began with.
    public let first: BatchFileName?

    /// Opens the folder for writing, making it on first use, and locks it. What a killed writer left unfinished is
    /// removed: it is written again.
    ///
    /// - Throws: `SpoolError`, with `locked` when another process writes to the folder.
    public init(_ path: String, settings: Settings) throws(SpoolError) {
        self.path = path
        self.settings = settings
        try FileSystem.makeDirectory(path)
        lock = try SpoolLock(
            path + "/transform.lock", spool: path, holder: "transform", what: "this folder", option: "--output")
        due = .after(milliseconds: settings.fileAgeSeconds * 1_000)
        let names = try FileSystem.list(path)
        for name in names where BatchFileName.isPartial(name) { unlink(path + "/" + name) }
        let files = names.compactMap { BatchFileName(fileName: $0) }
        first = files.min()
        last = files.max { ($0.to, $0.from) < ($1.to, $1.from) }
    }

    /// The stream begins, or continues with another preamble. Its source, and the position that it is for, must be those of
    /// the files that are there.
    ///
    /// - Throws: `BatchError` with `foreignStream`, or what is wrong with the last file there.
    public func begin(_ preamble: BatchPreamble) throws {
        try check(systemIdentifier: preamble.systemIdentifier, database: preamble.database, stream: preamble.stream)
        self.preamble = preamble
        end = preamble.from
        if let writer { try preamble.withText { try writer.write($0) } }
    }

    /// Checks that batches of a source, for a position, may follow the files that are there.
    ///
    /// - Throws: `BatchError` with `foreignStream`, or what is wrong with the last file there.
    public func check(systemIdentifier: String, database: String, stream: String) throws {
        guard let last else { return }
        let file = path + "/" + last.fileName
        let known = try BatchPreamble(ofFile: file)
        guard known.systemIdentifier == systemIdentifier, known.database == database, known.stream == stream else {
            throw BatchError(
                .foreignStream,
                "\(file) is of system \(known.systemIdentifier), database \(Quoting.identifier(known.database)), for "
                    + "position \(Quoting.identifier(known.stream)); batches of system \(systemIdentifier), database "
                    + "\(Quoting.identifier(database)), for position \(Quoting.identifier(stream)) cannot follow it: use "
                    + "another --output")
        }
    }

    /// Appends text to the open file, which is begun if there is none.
    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        isWhole = false
        if writer == nil {
            let writer = try BatchFileWriter(folder: path, from: end, isCompressed: settings.isCompressed)
            self.writer = writer
            guard var own = preamble else { return }
            own.from = end
            try own.withText { try writer.write($0) }
        }
        try writer?.write(bytes)
    }

    /// Does nothing: nobody reads a file before it is sealed.
    public func flush() {}

    /// Notes where the last batch ended, and seals the file if it is full or old.
    public func completed(to end: LSN) throws {
        self.end = end
        isWhole = true
        if writer.map({ $0.byteCount >= settings.fileBytes }) ?? false || isDue { try seal() }
    }

    /// True once it is time to seal what there is.
    public var isDue: Bool { settings.fileAgeSeconds > 0 && due.hasPassed }

    /// Seals what there is if it is time for that.
    public func sealIfDue() throws {
        if isDue { try seal() }
    }

    /// Seals what there is. An unfinished batch is removed with its file, and written again by the next run.
    public func finish() throws {
        guard isWhole else {
            writer?.discard()
            writer = nil
            return
        }
        // All was there already, and its end too.
        if let last, last.to == end, writer?.byteCount ?? 0 > 0, try BatchFileSource.hasEnd(path + "/" + last.fileName)
        {
            writer?.discard()
            writer = nil
        }
        try seal()
    }

    private func seal() throws(SpoolError) {
        due = .after(milliseconds: settings.fileAgeSeconds * 1_000)
        _ = try writer?.seal(to: end)
        writer = nil
    }
}

extension BatchPreamble {
    /// The preamble at the beginning of a file.
    init(ofFile path: String) throws {
        var reader = BatchReader(source: try BatchFileSource(path), bufferBytes: 16 << 10)
        guard case .preamble(let preamble) = try reader.next() else {
            throw BatchError(.malformedBatches, "\(path) does not begin with a preamble; it is no file of batches")
        }
        self = preamble
    }

    /// True when a target takes the other stream's batches behind this one's.
    func isContinued(by next: BatchPreamble) -> Bool {
        systemIdentifier == next.systemIdentifier && database == next.database && encoding == next.encoding
            && stream == next.stream
    }
}
