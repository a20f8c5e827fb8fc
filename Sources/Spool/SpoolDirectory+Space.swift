import Glibc

extension SpoolDirectory {
    /// Bytes of all files of the log, and of the transactions collected beside it.
    public func usedBytes() -> UInt64 {
        var sum: UInt64 = 0
        for folder in [segmentsPath, path + "/streams"] {
            let names = (try? FileSystem.list(folder)) ?? []
            for name in names { sum += (try? FileSystem.size(folder + "/" + name)) ?? 0 }
        }
        return sum
    }

    /// Bytes that are free on the spool's disk for this user; nil when the system does not say.
    public func freeBytes() -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
