import Glibc
import Postgres

// What was archived, and what may go. The markers in `archive/` are consulted for archiving and pruning alone.
extension SpoolDirectory {
    /// The folder with an empty file `NAME.done` for each segment that is archived.
    var archivePath: String { path + "/archive" }

    /// Sealed segments that are not known to be archived, in commit order.
    public func unarchived() throws(SpoolError) -> [SegmentName] {
        let done = try archived() ?? []
        return try segments().filter { !$0.isPartial && !done.contains($0.fileName) }
    }

    /// Remembers that a segment is archived. Should the note be lost, the segment is archived again.
    public func markArchived(_ name: SegmentName) throws(SpoolError) {
        try FileSystem.makeDirectory(archivePath)
        close(try FileSystem.create(mark(name), flags: O_WRONLY))
        try FileSystem.syncDirectory(archivePath)
    }

    /// Says that segments of this spool are archived from now on, so that none is pruned before it is.
    public func beginArchive() throws(SpoolError) {
        try FileSystem.makeDirectory(archivePath)
    }

    /// The names of archived segments; nil when this spool was never archived.
    private func archived() throws(SpoolError) -> Set<String>? {
        guard FileSystem.isDirectory(archivePath) else { return nil }
        let suffix = ".done"
        var names: Set<String> = []
        for name in try FileSystem.list(archivePath) where name.hasSuffix(suffix) {
            names.insert(String(name.dropLast(suffix.count)))
        }
        return names
    }

    private func mark(_ name: SegmentName) -> String { archivePath + "/" + name.fileName + ".done" }

    /// What a segment must meet to go; all that is given must hold.
    public struct Retention: Sendable, Equatable {
        /// The target's durable position: a segment goes when it ends at or before it.
        public var position: LSN?
        /// Seconds since the segment was sealed.
        public var age: Int?
        /// Bytes of sealed segments that stay.
        public var bytes: UInt64?

        /// A rule; without any condition nothing goes.
        public init(position: LSN? = nil, age: Int? = nil, bytes: UInt64? = nil) {
            self.position = position
            self.age = age
            self.bytes = bytes
        }
    }

    /// The segments that may go, oldest first: sealed, archived if this spool is archived, and past the rule.
    ///
    /// Only a run of the oldest goes, so that no gap comes to be. The last sealed segment always stays: it says where
    /// the log ends.
    public func prunable(_ rule: Retention, now: Int = time(nil)) throws(SpoolError) -> [SegmentName] {
        guard rule.position != nil || rule.age != nil || rule.bytes != nil else { return [] }
        let archived = try archived()
        let sealed = try segments().filter { !$0.isPartial }
        var left: UInt64 = 0
        if rule.bytes != nil { for name in sealed { left += try FileSystem.size(segmentsPath + "/" + name.fileName) } }
        var found: [SegmentName] = []
        for (name, next) in zip(sealed, sealed.dropFirst()) {
            if let archived, !archived.contains(name.fileName) { break }
            // It ends where the next one starts, or before.
            if let position = rule.position, next.start > position { break }
            if let age = rule.age, now - (try FileSystem.modified(segmentsPath + "/" + name.fileName)) < age { break }
            if let bytes = rule.bytes {
                let size = try FileSystem.size(segmentsPath + "/" + name.fileName)
                if left - min(left, size) < bytes { break }
                left -= min(left, size)
            }
            found.append(name)
        }
        return found
    }

    /// Removes a segment. Returns the bytes that this frees.
    public func remove(_ name: SegmentName) throws(SpoolError) -> UInt64 {
        let path = segmentsPath + "/" + name.fileName
        let size = try FileSystem.size(path)
        guard FileSystem.unlink(path) else { throw SpoolError.system("unlink", file: path) }
        FileSystem.unlink(mark(name))
        return size
    }
}
