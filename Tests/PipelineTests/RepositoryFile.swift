enum RepositoryFile {
    /// A file of the repository, found from this one.
    static func path(_ name: String) -> String {
        let here = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/" + here + "/" + name
    }
}
