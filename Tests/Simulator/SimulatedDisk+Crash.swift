import Glibc
import Observability
import Spool
import TestSupport

// What is found after a crash.
extension SimulatedDisk {
    /// The process is dead and another may start: what the kernel has is there.
    func revive() throws {
        try check()
        isDead = false
        operationsUntilCrash = nil
        open = [:]
    }

    /// The machine went down and is up again: what was not synced is what it is.
    func recover() throws {
        try check()
        for path in folders.keys.sorted() {
            guard var folder = folders[path] else { continue }
            for name in folder.names.keys { Glibc.unlink(path + "/" + name) }
            var found = folder.durable
            for change in survivors(folder.pending) { SimulatedDisk.apply(change, to: &found) }
            var renewed: [ObjectIdentifier: File] = [:]
            for name in found.keys.sorted() {
                guard let old = found[name] else { continue }
                let file = renewed[ObjectIdentifier(old)] ?? survivor(old)
                renewed[ObjectIdentifier(old)] = file
                found[name] = file
                let descriptor = FileAccess.create(path + "/" + name, flags: O_WRONLY | O_TRUNC)
                file.bytes.withUnsafeBytes { _ = Glibc.write(descriptor, $0.baseAddress, $0.count) }
                close(descriptor)
            }
            for name in found.keys.sorted() { tell?("there is \(path)/\(name) with \(found[name]?.synced ?? 0)") }
            folder = Folder(durable: found, names: found, pending: [])
            folders[path] = folder
        }
        isDead = false
        operationsUntilCrash = nil
        open = [:]
    }

    private func survivors(_ changes: [Change]) -> [Change] {
        guard !changes.isEmpty else { return [] }
        let kept: [Change]
        switch random.next() % 4 {
        case 0: kept = []
        case 1: kept = changes
        case 2: kept = Array(changes.prefix(Int(random.next() % UInt64(changes.count + 1))))
        default: kept = changes.filter { _ in random.next() % 2 == 0 }
        }
        counts.lostNames += changes.count - kept.count
        return kept
    }

    private func survivor(_ old: File) -> File {
        let file = File()
        file.bytes = old.bytes
        if let dropped = old.dropped {
            for index in dropped where index < file.bytes.count { file.bytes[index] = 0 }
        }
        let tail = old.bytes.count - old.synced
        if tail > 0 {
            let way = random.next() % 5
            if way == 0 {
                file.bytes.removeLast(tail)
            } else if way < 4 {
                file.bytes.removeLast(Int(random.next() % UInt64(tail)))
            }
            if way >= 2 { spoil(&file.bytes, from: old.synced) }
            counts.tornFiles += 1
        }
        file.synced = file.bytes.count
        return file
    }

    /// The file got longer, and its bytes did not all follow.
    private func spoil(_ bytes: inout [UInt8], from start: Int) {
        let sector = 512
        var at = start
        while at < bytes.count {
            let end = min(bytes.count, (at / sector + 1) * sector)
            switch random.next() % 6 {
            case 0: for index in at..<end { bytes[index] = 0 }
            case 1: for index in at..<end { bytes[index] = UInt8(truncatingIfNeeded: random.next()) }
            default: break
            }
            at = end
        }
    }

    /// What is noted must be what is there: else something was done to a file that did not pass here.
    func check() throws {
        for (path, folder) in folders {
            let there = try FileSystem.list(path).filter { name in folders[path + "/" + name] == nil }
            guard there == folder.names.keys.sorted() else {
                throw HistoryFailure("\(path) has \(there), and the disk has \(folder.names.keys.sorted())")
            }
            for (name, file) in folder.names {
                var status = stat()
                guard stat(path + "/" + name, &status) == 0, Int(status.st_size) == file.bytes.count else {
                    throw HistoryFailure("\(name) has \(status.st_size) bytes, and the disk has \(file.bytes.count)")
                }
            }
        }
    }
}
