import Glibc
import Observability
import SystemPackage

/// Where the programs of the pipeline lie: beside the one that runs.
enum ProgramFolder {
    static func path() throws -> FilePath {
        let capacity = Int(PATH_MAX) + 1
        let path = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer -> String? in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink("/proc/self/exe", base, capacity - 1)
            guard count > 0 else { return nil }
            return String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
        }
        guard let path else {
            throw MigrationError(.failure, "cannot find the folder of the programs: /proc/self/exe cannot be read")
        }
        return FilePath(path).removingLastComponent()
    }
}
