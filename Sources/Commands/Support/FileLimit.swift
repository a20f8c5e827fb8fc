import Glibc
import Observability

/// How many files a process may have open.
enum FileLimit {
    /// With fewer, the language's own runtime ends the process before anything can be said.
    private static let least: rlim_t = 64

    /// Raises the limit as far as it must be and may be.
    ///
    /// - Throws: ``ProgramFailure`` when that is not enough.
    static func raise() throws {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < least else {
            return
        }
        guard limit.rlim_max >= least else {
            throw ProgramFailure(
                .failure,
                "only \(limit.rlim_max) files can be open at once, and \(least) are needed at least: raise the limit (ulimit -n)"
            )
        }
        limit.rlim_cur = least
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
