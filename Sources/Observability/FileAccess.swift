import Glibc
import Logging
import Synchronization

/// Who may read what this program writes: rows of production databases. The owner alone, whatever the umask is; or one
/// group as well, when the user asks for it.
public enum FileAccess {
    /// One more than the id of the group beside the owner; 0 for none.
    private static let shared = Atomic<UInt64>(0)
    /// The environment variable by which programs that are started by this one learn of the group.
    public static let variable = "WALRELAY_SPOOL_GROUP"

    /// Opens what is written from now on to a group as well.
    ///
    /// - Returns: false when there is no such group.
    public static func share(with name: String) -> Bool {
        guard let entry = getgrnam(name) else { return false }
        shared.store(UInt64(entry.pointee.gr_gid) + 1, ordering: .relaxed)
        return true
    }

    private static var group: gid_t? {
        let stored = shared.load(ordering: .relaxed)
        return stored == 0 ? nil : gid_t(stored - 1)
    }
    private static var isShared: Bool { group != nil }
    /// The mode of a file.
    public static var fileMode: mode_t { isShared ? 0o640 : 0o600 }
    /// The mode of a folder. What is made in one that is shared gets its group.
    public static var folderMode: mode_t { isShared ? 0o2750 : 0o700 }

    /// Opens a file, and makes it with ``fileMode`` if need be.
    ///
    /// - Returns: the descriptor, or -1 with errno set.
    public static func create(_ path: String, flags: Int32) -> Int32 {
        let descriptor = open(path, O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, fileMode)
        guard descriptor >= 0 else { return descriptor }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return failed(descriptor, errno) }
        // A device or a pipe that someone put there.
        guard status.st_mode & S_IFMT == S_IFREG else { return failed(descriptor, EINVAL) }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        if status.st_mode & 0o777 != fileMode { fchmod(descriptor, fileMode) }
        return descriptor
    }

    private static func failed(_ descriptor: Int32, _ error: Int32) -> Int32 {
        close(descriptor)
        errno = error
        return -1
    }

    /// Opens an ordinary file to read it. What is none is refused without waiting: a pipe without a writer would be
    /// waited for.
    ///
    /// - Returns: the descriptor, or -1 with errno set; to EINVAL for what is no ordinary file.
    public static func openRegular(_ path: String) -> Int32 {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return descriptor }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return failed(descriptor, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { return failed(descriptor, EINVAL) }
        return descriptor
    }

    /// Makes a folder, unless it is there.
    ///
    /// - Returns: false with errno set when it cannot be made.
    public static func makeFolder(_ path: String) -> Bool {
        guard mkdir(path, folderMode) == 0 else { return errno == EEXIST }
        _ = apply(toFolder: path)
        return true
    }

    /// What ``narrow(_:)`` did.
    public enum Narrowing: Sendable {
        /// Nothing had to be done.
        case none
        /// The folder was open to more, as its mode before says.
        case done(from: mode_t)
        /// It is open to more, and belongs to someone else.
        case refused(mode: mode_t)
    }

    /// Takes a folder that is there from whom it is not for.
    public static func narrow(_ path: String) -> Narrowing {
        var status = stat()
        guard stat(path, &status) == 0 else { return .none }
        let mode = status.st_mode & 0o7777
        let isRight =
            mode & 0o777 == folderMode & 0o777 && (group == nil || status.st_gid == group)
        guard !isRight, mode & ~folderMode & 0o777 != 0 || isShared else { return .none }
        return apply(toFolder: path) ? .done(from: mode) : .refused(mode: mode)
    }

    private static func apply(toFolder path: String) -> Bool {
        if let group, chown(path, uid_t.max, group) != 0 { return false }
        return chmod(path, folderMode) == 0
    }
}

extension FileAccess {
    /// Takes a spool from whom it is not for, and says so.
    public static func narrow(_ path: String, _ logger: Logger) {
        switch narrow(path) {
        case .none: break
        case .done(let mode):
            logger.warning(
                """
                the spool was open to others (mode \(octal(mode))), and is not any more: it has rows of the source. \
                --spool-group opens it to one group
                """, metadata: ["spool": "\(path)"])
        case .refused(let mode):
            logger.warning(
                """
                the spool is open to others (mode \(octal(mode))), has rows of the source, and belongs to another user: have its \
                owner run chmod \(octal(folderMode)) on it
                """, metadata: ["spool": "\(path)"])
        }
    }

    private static func octal(_ mode: mode_t) -> String { String(mode, radix: 8) }
}
