import Glibc
import Observability
import Postgres

/// Which source a spool belongs to; the contents of `spool.json`.
public struct SpoolIdentity: Codable, Sendable, Equatable {
    /// The version of the spool's layout.
    public var format = 1
    /// The source cluster's identifier.
    public var systemIdentifier: String
    /// The source database.
    public var database: String
    /// The slot.
    public var slot: String
    /// Names this log among all others: 32 random hexadecimal digits, made with the spool. A target keeps it beside its
    /// position, and so knows whether another log can follow. Nil in a spool of version 0.1 that was not opened since.
    public var logID: String?

    enum CodingKeys: String, CodingKey {
        case format, database, slot
        case systemIdentifier = "system_identifier"
        case logID = "log_id"
    }

    /// The identity of a source.
    public init(systemIdentifier: String, database: String, slot: String) {
        self.systemIdentifier = systemIdentifier
        self.database = database
        self.slot = slot
    }

    /// The same with a log's name of its own.
    func withNewLogID() -> SpoolIdentity {
        var named = self
        named.logID = SpoolIdentity.randomName()
        return named
    }

    /// A name that nothing else has: 32 random hexadecimal digits.
    package static func randomName() -> String {
        (0..<2).map { _ in UInt64.random(in: .min ... .max).hexDigits }.joined()
    }
}

/// A spool on disk: `spool.json`, `segments/`, `state/` and a lock file.
public struct SpoolDirectory: Sendable {
    /// The spool's folder.
    public let path: String
    /// So many bytes of an open segment may be without an index, or a sixteenth of them.
    package var indexStep: UInt64 = 4 << 20

    /// Names the spool at `path`; touches nothing.
    public init(_ path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// The folder of the segments.
    public var segmentsPath: String { path + "/segments" }
    /// The index of the open segment.
    var openIndexPath: String { statePath + "/open.index" }
    /// The folder of the status files.
    public var statePath: String { path + "/state" }
    private var identityPath: String { path + "/spool.json" }

    /// The identity, or nil when there is no spool yet.
    public func identity() throws(SpoolError) -> SpoolIdentity? {
        guard FileSystem.exists(identityPath) else { return nil }
        let bytes = try FileSystem.read(identityPath)
        let identity: SpoolIdentity = try bytes.withBytes { all throws(SpoolError) in
            try JSON.decode(all, what: "the spool's identity", file: identityPath)
        }
        guard identity.format == 1 else {
            throw SpoolError(
                .unsupported, "the spool has format \(identity.format); this walrelay reads format 1",
                file: identityPath)
        }
        return identity
    }

    /// Opens the spool for writing, making it on first use, and locks it for as long as the returned lock lives. The
    /// ``SpoolIdentity/logID`` of `identity` is of no account: a new spool gets one of its own.
    ///
    /// - Throws: ``SpoolError``: `locked` when another process writes to it, `foreign` when it holds another source's
    ///   changes.
    public func open(for identity: SpoolIdentity) throws(SpoolError) -> SpoolLock {
        try make()
        let lock = try SpoolLock(path + "/receive.lock", spool: path)
        for folder in [segmentsPath, statePath] where FileSystem.isDirectory(folder) { _ = FileAccess.narrow(folder) }
        if let existing = try self.identity() {
            try check(existing, is: identity)
            guard existing.logID == nil else { return lock }
            try write(existing.withNewLogID())
        } else {
            guard try segments().isEmpty else {
                throw SpoolError(
                    .unsupported, "there are segments but no spool.json; restore it, or use an empty folder", file: path
                )
            }
            try FileSystem.makeDirectory(segmentsPath)
            try FileSystem.makeDirectory(statePath)
            try write(identity.withNewLogID())
        }
        return lock
    }

    /// Makes the spool's folder, unless it is there.
    func make() throws(SpoolError) {
        do throws(SpoolError) {
            try FileSystem.makeDirectory(path)
        } catch {
            throw SpoolError(error.code, error.message + "; name a folder that can be made with --dir", file: path)
        }
    }

    private func write(_ identity: SpoolIdentity) throws(SpoolError) {
        try FileSystem.replace(identityPath, with: JSON.encode(identity) + [0x0A], in: path)
    }

    private func check(_ existing: SpoolIdentity, is wanted: SpoolIdentity) throws(SpoolError) {
        var differences: [String] = []
        if existing.systemIdentifier != wanted.systemIdentifier {
            differences.append("system identifier \(existing.systemIdentifier), not \(wanted.systemIdentifier)")
        }
        if existing.database != wanted.database {
            differences.append("database \"\(existing.database)\", not \"\(wanted.database)\"")
        }
        if existing.slot != wanted.slot { differences.append("slot \"\(existing.slot)\", not \"\(wanted.slot)\"") }
        guard !differences.isEmpty else { return }
        throw SpoolError(
            .foreign,
            "the spool belongs to another source (\(differences.joined(separator: "; "))); use another --dir, "
                + "or connect to the source that it belongs to",
            file: path)
    }

    /// The segments in commit order, the open one last.
    public func segments() throws(SpoolError) -> [SegmentName] {
        guard FileSystem.isDirectory(segmentsPath) else { return [] }
        return try FileSystem.list(segmentsPath).compactMap(SegmentName.init(fileName:)).sorted()
    }

    /// The same for a reader that needs a spool to be there.
    ///
    /// - Throws: ``SpoolError`` with `missing` when the folder is no spool.
    public func existingSegments() throws(SpoolError) -> [SegmentName] {
        guard FileSystem.isDirectory(segmentsPath) else {
            throw SpoolError(.missing, "there is no spool here: the folder has no segments/ in it", file: path)
        }
        return try segments()
    }

    /// Finishes what a crash left of the open segment. Nil when there is none to continue with.
    ///
    /// - Throws: ``SpoolError``: `corrupt` when there is more than one open segment, or one cannot be read.
    public func recover() throws(SpoolError) -> RecoveredSegment? {
        // A writer that was killed may have given names that are only in memory. What is written behind such a name could
        // be synced and acknowledged, and yet be gone with the name.
        try FileSystem.syncDirectory(segmentsPath)
        for name in try FileSystem.list(segmentsPath) where name.hasSuffix(".repair") || name.hasSuffix(".new") {
            FileSystem.unlink(segmentsPath + "/" + name)
        }
        let open = try segments().filter(\.isPartial)
        guard let name = open.first else { return nil }
        guard open.count == 1 else {
            throw SpoolError(
                .corrupt, "\(open.count) segments are open; only one can be: \(open.map(\.fileName))", file: path)
        }
        guard let recovered = try SegmentRecovery.run(self, name) else {
            // Its header is synced before any commit can be acknowledged, so a file without one holds nothing needed;
            // it is kept all the same, for whoever wants to look.
            let path = segmentsPath + "/" + name.fileName
            try FileSystem.rename(path, to: path + ".damaged")
            UnsyncedMark.remove(path)
            try FileSystem.syncDirectory(segmentsPath)
            return nil
        }
        guard recovered.hasFooter else { return recovered }
        try FileSystem.rename(
            segmentsPath + "/" + name.fileName, to: segmentsPath + "/" + name.sealed.fileName)
        try FileSystem.syncDirectory(segmentsPath)
        return nil
    }

    /// Begins a segment.
    public func begin(_ header: SegmentHeader) throws(SpoolError) -> SegmentWriter {
        try SegmentWriter(in: self, header: header)
    }

    /// Continues writing a recovered segment.
    public func resume(_ recovered: RecoveredSegment) throws(SpoolError) -> SegmentWriter {
        try SegmentWriter(recovered: recovered, in: self)
    }

    /// Seals a recovered segment where it ends, because what follows is on another timeline. One without any commit is
    /// sealed, too: the next begins at the same position, but the timeline tells their names apart.
    public func seal(_ recovered: RecoveredSegment) throws(SpoolError) {
        try resume(recovered).seal()
    }

    /// The header and footer of a sealed segment, or the header alone of an open one.
    public func summary(
        of name: SegmentName
    ) throws(SpoolError) -> (header: SegmentHeader, footer: SegmentFooter?, size: UInt64) {
        do throws(SpoolError) {
            return try present(name)
        } catch  where name.isPartial && error.code == .io(errno: ENOENT) {
            // It was open when the folder was listed, and is sealed by now.
            return try present(name.sealed)
        }
    }

    private func present(
        _ name: SegmentName
    ) throws(SpoolError) -> (header: SegmentHeader, footer: SegmentFooter?, size: UInt64) {
        let path = segmentsPath + "/" + name.fileName
        let file = try SegmentFile(path)
        let header = try file.header()
        return (header, name.isPartial ? nil : try file.footer(), try FileSystem.size(path))
    }

    /// The position up to which the log is complete: the end of its last segment. Nil when the spool is empty.
    ///
    /// Reads only the last segment; for one that is still open, its records.
    public func end() throws(SpoolError) -> LSN? {
        guard let last = try segments().last else { return nil }
        if !last.isPartial { return try summary(of: last).footer?.end }
        let path = segmentsPath + "/" + last.fileName
        do throws(SpoolError) {
            return try end(ofOpen: last, path)
        } catch  where error.code == .io(errno: ENOENT) {
            return try summary(of: last.sealed).footer?.end
        }
    }

    private func end(ofOpen name: SegmentName, _ path: String) throws(SpoolError) -> LSN {
        let frames = FrameReader(try ByteInput.openRegular(path))
        var indexer = try frames.begin(name, in: self).indexer
        while case .frame(let bytes, let offset) = try frames.next() {
            try indexer.consume(Chunk(bytes: bytes, file: path, offset: offset))
        }
        return indexer.footer.end
    }
}

/// An exclusive lock on a spool, released when the value or its process goes.
public final class SpoolLock: Sendable {
    private let descriptor: Int32

    /// Takes the lock at a path, which `holder` holds while it writes to `what`.
    package init(
        _ path: String, spool: String, holder: String = "receive", what: String = "this spool", option: String = "--dir"
    ) throws(SpoolError) {
        descriptor = try FileSystem.create(path, flags: O_RDWR)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            // The descriptor is closed by deinit, which also runs when an initializer throws.
            guard errno == EWOULDBLOCK else { throw SpoolError.system("flock", file: path) }
            throw SpoolError(
                .locked, "another \(holder) writes to \(what); stop it first, or use another \(option)", file: spool)
        }
    }

    deinit {
        // A child that is just being started still has the descriptor, and would keep the lock until it has begun.
        flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
