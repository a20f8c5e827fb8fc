import Glibc

/// What lies in a folder.
enum FileNames {
    static func list(_ folder: String) throws -> [String] {
        guard let stream = opendir(folder) else { throw Missing() }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// The folder cannot be read.
    struct Missing: Error {}
}
