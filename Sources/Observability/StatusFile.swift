import Glibc

/// A small JSON file that tells other programs how a stage is doing; replaced atomically, never read for correctness.
public struct StatusFile: Sendable {
    private let path: String

    /// The status file at `path`.
    public init(_ path: String) {
        self.path = path
    }

    /// Replaces the file. Failures are ignored: status must never stop the data.
    public func write(_ json: [UInt8]) { _ = replace(json) }

    /// Replaces the file.
    ///
    /// - Returns: false with errno set when that fails.
    public func replace(_ json: [UInt8]) -> Bool {
        let temporary = path + ".\(getpid()).new"
        let descriptor = FileAccess.create(temporary, flags: O_WRONLY | O_TRUNC)
        guard descriptor >= 0 else { return false }
        let written = json.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        guard written == json.count else {
            let error = errno
            unlink(temporary)
            errno = error
            return false
        }
        return rename(temporary, path) == 0
    }
}
