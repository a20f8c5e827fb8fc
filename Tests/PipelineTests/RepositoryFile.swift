import Foundation

enum RepositoryFile {
    /// A file of the repository, found from this one.
    static func path(_ name: String) -> String {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/" + here + "/" + name
    }

    /// What is in such a file.
    static func text(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }
}
