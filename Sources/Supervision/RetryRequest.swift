import Glibc
import Observability
import Spool

/// Has a clone that cannot apply try again: a file in the spool's state, which the clone that follows takes away.
public enum RetryRequest {
    /// Without being asked, it tries again after so long.
    package static let intervalMilliseconds = 60_000

    package static let file = "retry"

    /// Takes the request away. True when there was one.
    @discardableResult
    package static func clear(_ path: String) -> Bool {
        unlink(SpoolDirectory(path).statePath + "/" + file) == 0
    }

    /// The report about the statement that was refused last.
    static func newestReport(_ path: String) -> String? {
        let folder = SpoolDirectory(path).statePath
        let names = ((try? FileSystem.list(folder)) ?? []).filter {
            $0.hasPrefix("replay-failure-") && $0.hasSuffix(".sql")
        }
        return names.map { folder + "/" + $0 }.max { written($0) < written($1) }
    }

    private static func written(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mtim.tv_sec * 1_000 + status.st_mtim.tv_nsec / 1_000_000 : 0
    }
}
