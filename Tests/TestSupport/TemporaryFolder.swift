import Glibc
import Synchronization
import SystemPackage

/// A folder of its own for a test, removed with everything in it when the last reference goes.
///
///     let folder = try TemporaryFolder()
///     let path = try folder.write("rows.csv", "1,one\n")
///
/// It is also removed after the test process has been killed.
public final class TemporaryFolder: Sendable {
    /// Absolute path of the folder.
    public let path: String
    private static let count = Atomic<Int>(0)

    /// Makes an empty folder.
    public init(_ name: String = "folder") throws {
        let number = Self.count.add(1, ordering: .relaxed).newValue
        path = "\(try Housekeeper.shared.get().root)/\(name).\(number)"
        guard mkdir(path, 0o755) == 0 else { throw Errno(rawValue: errno) }
    }

    deinit { remove() }

    /// Removes the folder now. Does nothing when it has been removed already.
    public func remove() {
        removeTree(FilePath(path))
    }

    /// The path of something in the folder.
    public func path(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file and returns its path.
    @discardableResult
    public func write(_ name: String, _ text: String) throws -> String {
        try write(name, Array(text.utf8))
    }

    /// Writes a file and returns its path.
    @discardableResult
    public func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try writeFile(path(name), bytes)
        return path(name)
    }

    /// Reads a whole file of the folder.
    public func read(_ name: String) throws -> [UInt8] {
        try readFile(path(name))
    }
}
