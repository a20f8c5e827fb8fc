import Synchronization

/// What a test puts in the place of the operations of ``FileSystem``: a disk that forgets, tears and fills up.
package protocol Disk: AnyObject, Sendable {
    /// Opens a file to write to it, and makes it if need be.
    func create(_ path: String, flags: Int32) throws(SpoolError) -> Int32
    /// Writes all bytes, or throws after a part of them.
    func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, file: String) throws(SpoolError)
    /// Cuts the file, and continues there.
    func takeBack(_ descriptor: Int32, to size: UInt64)
    /// Makes the file's bytes and length durable.
    func sync(_ descriptor: Int32, file: String) throws(SpoolError)
    /// Makes the names in a folder durable.
    func syncDirectory(_ path: String) throws(SpoolError)
    /// Gives a file another name.
    func rename(_ from: String, to: String) throws(SpoolError)
    /// Gives a file a second name.
    func link(_ path: String, to second: String) throws(SpoolError)
    /// Removes a name. False when that failed.
    func unlink(_ path: String) -> Bool
    /// Makes a folder, unless it is there.
    func makeDirectory(_ path: String) throws(SpoolError)
}

/// The disk that a test has put in place. Bound to a task, so that whatever else runs in the process has the real one; a
/// program that never binds one pays a look at a flag for each call to the system.
package enum DiskInUse {
    @TaskLocal private static var bound: (any Disk)?
    private static let isUsed = Atomic<Bool>(false)

    static var current: (any Disk)? {
        isUsed.load(ordering: .relaxed) ? bound : nil
    }

    /// Runs `body` on a disk.
    package static func run<Result>(on disk: any Disk, _ body: () throws -> Result) rethrows -> Result {
        isUsed.store(true, ordering: .relaxed)
        return try $bound.withValue(disk, operation: body)
    }
}
