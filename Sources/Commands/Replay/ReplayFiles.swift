import BatchFiles
import Batches
import CommandSupport
import Logging
import Observability
import Postgres
import Spool

/// What the user named: files, or one folder of files.
struct ReplayFiles {
    private let named: [String]

    init(_ named: [String]) {
        self.named = named
    }

    /// The files to read, in order. Of a folder, those that the target still needs.
    ///
    /// - Throws: `SpoolError` with `gap` when the folder lacks a file that the target needs.
    func paths(_ target: ConnectionString, stream: String?, _ logger: Logger) throws -> [String] {
        guard let folder = try named.first(where: { try PathKind($0) == .folder }) else { return named }
        guard named.count == 1 else {
            throw ProgramFailure(.usage, "\(folder) is a folder: name it alone, or name files only")
        }
        let list = try BatchFileList(folder)
        guard let written = try list.stream() else {
            throw ProgramFailure(
                .incomplete, "\(folder) has no files FROM-TO.sql: let transform --output \(folder) write them first")
        }
        let position = try Connection(target, applicationName: "walrelay replay")
            .durablePosition(stream ?? written)
        let paths = try list.paths(after: position)
        logger.info(
            "reading \(paths.count) of \(list.files.count) files",
            metadata: ["folder": "\(folder)", "position": "\(position?.description ?? "none")"])
        return paths
    }
}
