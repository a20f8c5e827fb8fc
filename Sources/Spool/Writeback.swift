import Glibc

/// Has the kernel begin to write a file's pages to disk, without waiting for it.
///
/// It makes nothing durable and reports nothing: errors of these writes are those of the next `fdatasync`.
enum Writeback {
    private typealias SyncFileRange = @convention(c) (Int32, off_t, off_t, UInt32) -> Int32

    // Swift's view of the C library leaves out what is Linux's alone.
    private static let syncFileRange = dlsym(dlopen(nil, RTLD_NOW), "sync_file_range").map {
        unsafeBitCast($0, to: SyncFileRange.self)
    }
    private static let startsWriting: UInt32 = 2  // SYNC_FILE_RANGE_WRITE
    private static let pageSize: UInt64 = 4096

    /// Returns how far it goes: the last page is left alone, because more will come into it.
    static func start(_ descriptor: Int32, from start: UInt64, to end: UInt64) -> UInt64 {
        let wholePages = end / pageSize * pageSize
        guard wholePages > start else { return start }
        _ = syncFileRange?(descriptor, off_t(start), off_t(wholePages - start), startsWriting)
        return wholePages
    }
}
