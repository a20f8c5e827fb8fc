import Batches
import Postgres
import Spool

/// The sealed files of a folder of batches, for a target that is somewhere among them.
public struct BatchFileList: Sendable {
    /// The folder.
    public let path: String
    /// The files, in commit order.
    public let files: [BatchFileName]

    /// Lists a folder. Files with other names, those that are being written too, are left alone.
    ///
    /// - Throws: `SpoolError` when it cannot be read.
    public init(_ path: String) throws(SpoolError) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        files = try FileSystem.list(path).compactMap { BatchFileName(fileName: $0) }.sorted()
    }

    /// The name of the position that the files are for, by the first of them.
    public func stream() throws -> String? {
        try files.first.map { try preamble($0).stream }
    }

    private func preamble(_ file: BatchFileName) throws -> BatchPreamble {
        try BatchPreamble(ofFile: path + "/" + file.fileName)
    }

    /// Checks that files which a target needs are of the source that the first file of the folder is of.
    private func check(_ needed: [BatchFileName]) throws {
        guard let first = try files.first.map(preamble) else { return }
        for file in needed where try !first.isContinued(by: preamble(file)) {
            throw BatchError(
                .foreignStream,
                "\(path)/\(file.fileName) is of another source, or for another position, than the first file in the "
                    + "folder; keep each source's batches in a folder of their own")
        }
    }

    /// The paths of the files that a target needs that is at `position` (nil: it has nothing), in order. When it has
    /// everything it is the last one, which says where the batches end.
    ///
    /// - Throws: `SpoolError` with `gap` when batches between the position and the last file are in none of them;
    ///   `BatchError` with `foreignStream` for files of several sources, or what is wrong with a file's beginning.
    public func paths(after position: LSN?) throws -> [String] {
        let needed = try files(after: position)
        try check(needed)
        return needed.map { path + "/" + $0.fileName }
    }

    private func files(after position: LSN?) throws(SpoolError) -> [BatchFileName] {
        var reached = position
        var needed: [BatchFileName] = []
        for file in files {
            if let reached {
                // A file of no batches at the target's position may hold the end line.
                if file.to < reached || (file.to == reached && file.from < file.to) { continue }
                guard file.from <= reached else {
                    throw SpoolError(
                        .gap,
                        "no file has the batches from \(reached) to \(file.from); restore it, or write them again with: "
                            + "transform --from \(reached)", file: path)
                }
            }
            reached = file.to
            needed.append(file)
        }
        if needed.isEmpty, let last = files.max(by: { ($0.to, $0.from) < ($1.to, $1.from) }) { needed = [last] }
        return needed
    }
}
