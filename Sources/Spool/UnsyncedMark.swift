import Glibc

/// Remembers that making a segment durable has failed.
///
/// Linux reports such a failure once. After that it may still show the bytes from memory, and take the next sync of the file for
/// done, though the disk has never got them. So nothing may be acknowledged on the word of a later sync of that file: what can be
/// read of it is written to another one. Mark and memory are lost together when the machine goes down.
enum UnsyncedMark {
    static let suffix = ".unsynced"

    /// Makes a segment's data durable, and leaves the mark where that fails.
    static func sync(_ descriptor: Int32, file: String) throws(SpoolError) {
        do throws(SpoolError) {
            try FileSystem.syncData(descriptor, file: file)
        } catch {
            // A disk that takes no file either keeps everything from being continued.
            if let mark = try? FileSystem.create(file + suffix, flags: O_WRONLY) { close(mark) }
            throw error
        }
    }

    /// A sync of the file has failed, and it has not been written anew since.
    static func isSet(_ file: String) -> Bool { FileSystem.exists(file + suffix) }

    /// The file has been written anew, and that is durable.
    static func remove(_ file: String) { FileSystem.unlink(file + suffix) }
}
