import Glibc
import Observability

/// Where the programs of the pipeline lie: beside the one that runs, or in it.
package enum ProgramFolder {
    /// The folder of the file that runs, whatever links lead to it.
    package static func path() throws -> String {
        try executable().folder
    }

    /// The file that starts a program, and the arguments that come before the program's own: none where it has a file in
    /// the folder. Else this is the file that has all programs, and starts the one that its first argument names.
    package static func command(_ name: String, in folder: String) throws -> (file: String, words: [String]) {
        let file = folder + "/" + name
        if access(file, X_OK) == 0 { return (file, []) }
        let own = try executable()
        guard own.name != "clone" else {
            throw ProgramFailure(
                .failure,
                "there is no program \(name) in \(folder), where clone lies; install all programs together")
        }
        return (own.folder + "/" + own.name, [name])
    }

    private static func executable() throws -> (folder: String, name: String) {
        let capacity = Int(PATH_MAX) + 1
        let path = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer -> String? in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink("/proc/self/exe", base, capacity - 1)
            guard count > 0 else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
        }
        guard let path, let slash = path.lastIndex(of: "/") else {
            throw ProgramFailure(.failure, "cannot find the folder of the programs: /proc/self/exe cannot be read")
        }
        return (String(path[..<slash]), String(path[path.index(after: slash)...]))
    }
}
