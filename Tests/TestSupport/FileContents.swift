import Glibc
import SystemPackage

/// Reads a whole file.
func readFile(_ path: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec)
    return try file.closeAfter {
        var bytes: [UInt8] = []
        let size = Int(try file.seek(offset: 0, from: .end))
        try file.seek(offset: 0, from: .start)
        bytes.reserveCapacity(size)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try buffer.withUnsafeMutableBytes { try file.read(into: $0) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
    }
}

/// Reads a whole file as text; empty when it cannot be read.
func readText(_ path: String) -> String {
    String(decoding: (try? readFile(path)) ?? [], as: UTF8.self)
}

/// Creates or replaces a file, or adds to its end.
func writeFile(_ path: String, _ bytes: [UInt8], appending: Bool = false) throws {
    let file = try FileDescriptor.open(
        FilePath(path),
        .writeOnly,
        options: appending ? [.create, .append, .closeOnExec] : [.create, .truncate, .closeOnExec],
        permissions: [.ownerReadWrite, .groupRead, .otherRead]
    )
    _ = try file.closeAfter { try file.writeAll(bytes) }
}

/// Whether something exists at this path.
func exists(_ path: String) -> Bool {
    access(path, F_OK) == 0
}

/// Whether there is an executable file at this path.
func isExecutable(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
}

/// The names in a folder; empty when it cannot be read.
func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { names.append(name) }
    }
    return names
}

/// Where a symbolic link points to.
func linkTarget(_ path: String) -> String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink(path, &buffer, buffer.count)
    guard count > 0 else { return nil }
    return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Removes a file or a folder with everything in it; symbolic links are removed, not followed.
func removeTree(_ path: FilePath) {
    var status = stat()
    guard lstat(path.string, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
        unlink(path.string)
        return
    }
    for name in names(in: path.string) { removeTree(path.appending(name)) }
    rmdir(path.string)
}
