import CommandSupport
import Glibc
import Observability
import Spool

/// Where `inspect` reads from, by what the user named.
enum InspectInput {
    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// A spool's segments, one file, or `-` for standard input.
    static func source(_ path: String) throws -> any ChunkSource {
        if path == "-" { return StreamReader(descriptor: 0, name: "standard input") }
        if isFolder(path) { return try SpoolReader(SpoolDirectory(path), from: nil, follows: false) }
        return try StreamReader(path: path)
    }
}
