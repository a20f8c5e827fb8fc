import Glibc
import Observability

/// The few file operations whose order and errors the log's durability depends on.
package enum FileSystem {
    /// Writes all bytes, or throws.
    package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, file: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.write(bytes, to: descriptor, file: file) }
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if errno == EAGAIN {
                // A pipe that someone made non-blocking.
                var set = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&set, 1, -1)
            } else if errno != EINTR {
                throw SpoolError.system("write", file: file)
            }
        }
    }

    /// Makes the file's bytes and length durable. An error is final: the kernel may have dropped the pages.
    static func syncData(_ descriptor: Int32, file: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.sync(descriptor, file: file) }
        guard fdatasync(descriptor) == 0 else { throw SpoolError.system("fdatasync", file: file) }
    }

    /// Makes the file with all that belongs to it durable. An error is final, as above.
    package static func sync(_ descriptor: Int32, file: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.sync(descriptor, file: file) }
        guard fsync(descriptor) == 0 else { throw SpoolError.system("fsync", file: file) }
    }

    /// Makes the names in a directory durable.
    package static func syncDirectory(_ path: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.syncDirectory(path) }
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SpoolError.system("open", file: path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SpoolError.system("fsync", file: path) }
    }

    /// Gives a file another name, in the place of the file that has it.
    package static func rename(_ from: String, to: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.rename(from, to: to) }
        guard Glibc.rename(from, to) == 0 else { throw SpoolError.system("rename", file: from) }
    }

    /// Gives a file a second name.
    static func link(_ path: String, to second: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.link(path, to: second) }
        guard Glibc.link(path, second) == 0 else { throw SpoolError.system("link", file: second) }
    }

    /// Removes a name, if it is there. False with errno set when that failed.
    @discardableResult
    package static func unlink(_ path: String) -> Bool {
        if let disk = DiskInUse.current { return disk.unlink(path) }
        return Glibc.unlink(path) == 0
    }

    /// Takes back what a failed write left behind the first `size` bytes. What fails here shows at the next write.
    static func takeBack(_ descriptor: Int32, to size: UInt64) {
        if let disk = DiskInUse.current { return disk.takeBack(descriptor, to: size) }
        ftruncate(descriptor, off_t(size))
        lseek(descriptor, off_t(size), SEEK_SET)
    }

    /// Makes a directory, unless it is there.
    package static func makeDirectory(_ path: String) throws(SpoolError) {
        if let disk = DiskInUse.current { return try disk.makeDirectory(path) }
        guard FileAccess.makeFolder(path) else { throw SpoolError.system("mkdir", file: path) }
    }

    /// Opens a file, making it if need be.
    package static func create(_ path: String, flags: Int32) throws(SpoolError) -> Int32 {
        if let disk = DiskInUse.current { return try disk.create(path, flags: flags) }
        let descriptor = FileAccess.create(path, flags: flags)
        guard descriptor >= 0 else { throw SpoolError.opening(path) }
        return descriptor
    }

    /// True when there is something of that name.
    package static func exists(_ path: String) -> Bool {
        access(path, F_OK) == 0
    }

    /// True for a directory.
    package static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// True for a plain file, rather than a pipe or a device.
    package static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    static func size(_ path: String) throws(SpoolError) -> UInt64 {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SpoolError.system("stat", file: path) }
        return UInt64(status.st_size)
    }

    /// When the file was last written, in seconds since 1970.
    static func modified(_ path: String) throws(SpoolError) -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else { throw SpoolError.system("stat", file: path) }
        return status.st_mtim.tv_sec
    }

    static func identity(_ path: String) -> FileIdentity? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    /// The names in a directory, in byte order.
    package static func list(_ path: String) throws(SpoolError) -> [String] {
        guard let directory = opendir(path) else { throw SpoolError.system("opendir", file: path) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Reads a small file whole.
    static func read(_ path: String, limit: Int = 1 << 20) throws(SpoolError) -> [UInt8] {
        let input = try ByteInput.openRegular(path)
        var bytes: [UInt8] = []
        while try input.fill() {
            bytes.append(contentsOf: input.available)
            input.consume(input.available.count)
            guard bytes.count <= limit else {
                throw SpoolError(.corrupt, "the file is larger than \(limit) bytes", file: path)
            }
        }
        return bytes
    }

    /// Replaces a small file as a whole, durably.
    package static func replace(_ path: String, with bytes: [UInt8], in directory: String) throws(SpoolError) {
        let temporary = path + ".new"
        try write(bytes, toNew: temporary)
        try rename(temporary, to: path)
        try syncDirectory(directory)
    }

    private static func write(_ bytes: [UInt8], toNew path: String) throws(SpoolError) {
        let descriptor = try create(path, flags: O_WRONLY | O_TRUNC)
        defer { close(descriptor) }
        try bytes.withBytes { all throws(SpoolError) in try write(all, to: descriptor, file: path) }
        try syncData(descriptor, file: path)
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` with a typed error.
    package func withBytes<Value>(
        _ body: (UnsafeRawBufferPointer) throws(SpoolError) -> Value
    ) throws(SpoolError) -> Value {
        let result = withUnsafeBytes { bytes in
            Result { () throws(SpoolError) in try body(bytes) }
        }
        return try result.get()
    }
}
