import Glibc
import Observability
import Spool
import TestSupport

/// A disk that keeps what was synced, and of the rest what it likes.
///
/// Files lie in a real folder, which is what a running program sees of a disk through the page cache. Beside it the disk
/// notes what of every file and folder is durable. A crash of the machine writes the folder anew, as it may be found
/// afterwards: of what was not synced, bytes are lost from some place on, sectors are zeros or rubbish, and names are
/// missing.
///
/// ```
/// file      ████████████████░░░░░░░░░░░░   synced │ not yet: cut, holes, rubbish, or all of it
/// folder    names that are durable, and the changes since the last sync: all, none, the first, or any of them
/// ```
final class SimulatedDisk: Disk, @unchecked Sendable {
    // Lives on the thread of its history.
    /// A file, whatever its names are.
    final class File {
        var bytes: [UInt8] = []
        /// So many bytes at its beginning are on the disk.
        var synced = 0
        /// Bytes that a failed sync dropped: no later one writes them.
        var dropped: Range<Int>?
    }

    enum Change {
        case add(String, File)
        case remove(String)
        case rename(String, String, File)
    }

    struct Folder {
        var durable: [String: File] = [:]
        var names: [String: File] = [:]
        var pending: [Change] = []
    }

    let path: String
    var folders: [String: Folder] = [:]
    var open: [Int32: File] = [:]
    var random: SeededRandom
    var counts = HistoryCounts()

    /// Bytes that the disk still takes; nil for no limit.
    var room: Int?
    /// A crash comes in the middle of so many operations from now on; nil for none.
    var operationsUntilCrash: Int?
    /// The process is dead: nothing it still does reaches the disk.
    var isDead = false
    /// The disk says that it has synced, and has not.
    var liesAboutSync = false
    /// Is told what is done; nil where nobody wants to know.
    var tell: ((String) -> Void)?
    /// The next sync of a file fails, and what it should have written is gone.
    var failsNextSync = false

    init(path: String, random: SeededRandom) {
        self.path = path
        self.random = random
    }

    private func split(_ path: String) -> (folder: String, name: String) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// The process dies in the middle of an operation, after `part` of it.
    private func step(_ part: () -> Void = {}) throws(SpoolError) {
        if isDead { throw dead }
        guard let left = operationsUntilCrash else { return }
        operationsUntilCrash = left - 1
        guard left <= 0 else { return }
        part()
        isDead = true
        throw dead
    }

    private var dead: SpoolError { SpoolError(.io(errno: EIO), "the process is dead") }

    /// The process is killed between two operations.
    func kill() { isDead = true }

    func create(_ path: String, flags: Int32) throws(SpoolError) -> Int32 {
        // A process that is killed right when its sync fails leaves no mark of that, and nothing can be done about it.
        if !path.hasSuffix(".unsynced") { try step() }
        tell?("create \(path)")
        let descriptor = FileAccess.create(path, flags: flags)
        guard descriptor >= 0 else { throw SpoolError(.io(errno: errno), "open failed", file: path) }
        let (folder, name) = split(path)
        let file = folders[folder]?.names[name] ?? File()
        if folders[folder]?.names[name] == nil { change(folder, .add(name, file)) }
        if flags & O_TRUNC != 0 {
            file.bytes = []
            file.synced = 0
            file.dropped = nil
        }
        open[descriptor] = file
        return descriptor
    }

    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, file path: String) throws(SpoolError) {
        try step { put(bytes.prefix(Int(random.next() % UInt64(bytes.count + 1))), descriptor, torn: true) }
        if let room, room < bytes.count {
            put(bytes.prefix(room), descriptor, torn: false)
            self.room = 0
            counts.fullDisks += 1
            throw SpoolError(.io(errno: ENOSPC), "write failed: no space left on device", file: path)
        }
        if let room { self.room = room - bytes.count }
        put(bytes.prefix(bytes.count), descriptor, torn: false)
    }

    private func put(_ bytes: Slice<UnsafeRawBufferPointer>, _ descriptor: Int32, torn: Bool) {
        guard !bytes.isEmpty else { return }
        tell?("write \(bytes.count) of \(descriptor)\(torn ? ", torn" : "")")
        if torn { counts.tornWrites += 1 }
        let raw = UnsafeRawBufferPointer(rebasing: bytes)
        _ = Glibc.write(descriptor, raw.baseAddress, raw.count)
        open[descriptor]?.bytes.append(contentsOf: raw)
    }

    func takeBack(_ descriptor: Int32, to size: UInt64) {
        guard !isDead, let file = open[descriptor] else { return }
        ftruncate(descriptor, off_t(size))
        lseek(descriptor, off_t(size), SEEK_SET)
        if let room { self.room = room + file.bytes.count - Int(size) }
        tell?("take back \(descriptor) to \(size)")
        file.bytes.removeLast(file.bytes.count - Int(size))
        file.synced = min(file.synced, file.bytes.count)
    }

    func sync(_ descriptor: Int32, file path: String) throws(SpoolError) {
        let done = random.next() % 2 == 0
        try step { if done { flush(descriptor) } }
        if failsNextSync, let file = open[descriptor] {
            failsNextSync = false
            counts.failedSyncs += 1
            file.dropped = file.synced..<file.bytes.count
            throw SpoolError(.io(errno: EIO), "fdatasync failed", file: path)
        }
        flush(descriptor)
    }

    private func flush(_ descriptor: Int32) {
        counts.syncs += 1
        tell?("sync \(descriptor) at \(open[descriptor]?.bytes.count ?? 0)")
        guard !liesAboutSync, let file = open[descriptor] else { return }
        file.synced = file.bytes.count
    }

    func syncDirectory(_ path: String) throws(SpoolError) {
        let done = random.next() % 2 == 0
        try step { if done { flushNames(path) } }
        flushNames(path)
    }

    private func flushNames(_ path: String) {
        guard !liesAboutSync, var folder = folders[path] else { return }
        tell?("sync \(path)")
        folder.durable = folder.names
        folder.pending = []
        folders[path] = folder
    }

    func rename(_ from: String, to: String) throws(SpoolError) {
        let done = random.next() % 2 == 0
        try step { if done { self.move(from, to) } }
        guard move(from, to) else { throw SpoolError(.io(errno: errno), "rename failed", file: from) }
    }

    @discardableResult
    private func move(_ from: String, _ to: String) -> Bool {
        guard Glibc.rename(from, to) == 0 else { return false }
        let (folder, name) = split(from)
        guard let file = folders[folder]?.names[name] else { return false }
        tell?("rename \(from) to \(to)")
        change(folder, .rename(name, split(to).name, file))
        return true
    }

    func link(_ path: String, to second: String) throws(SpoolError) {
        try step()
        let (folder, name) = split(path)
        guard Glibc.link(path, second) == 0, let file = folders[folder]?.names[name] else {
            throw SpoolError(.io(errno: errno), "link failed", file: path)
        }
        change(folder, .add(split(second).name, file))
    }

    func unlink(_ path: String) -> Bool {
        guard !isDead else { return true }
        guard Glibc.unlink(path) == 0 else { return false }
        let (folder, name) = split(path)
        tell?("unlink \(path)")
        change(folder, .remove(name))
        return true
    }

    func makeDirectory(_ path: String) throws(SpoolError) {
        try step()
        guard FileAccess.makeFolder(path) else { throw SpoolError(.io(errno: errno), "mkdir failed", file: path) }
        if folders[path] == nil { folders[path] = Folder() }
    }

    private func change(_ folder: String, _ change: Change) {
        folders[folder, default: Folder()].pending.append(change)
        SimulatedDisk.apply(change, to: &folders[folder, default: Folder()].names)
    }

    static func apply(_ change: Change, to names: inout [String: File]) {
        switch change {
        case .add(let name, let file): names[name] = file
        case .remove(let name): names[name] = nil
        case .rename(let from, let to, let file):
            names[from] = nil
            names[to] = file
        }
    }
}
