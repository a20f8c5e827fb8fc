import Glibc
import Observability

/// What a process may have of the system.
enum ProcessLimits {
    /// With fewer, the language's own runtime ends the process before anything can be said.
    private static let least: rlim_t = 64
    /// With less room for addresses (`ulimit -v`), threads share what memory there is.
    private static let roomy: rlim_t = 8 << 30

    private typealias SetMallocOption = @convention(c) (Int32, Int32) -> Int32

    /// Has the C library take all memory from one place where addresses are short: by itself it keeps 64 MiB of them for each
    /// thread, and then there are none left for what is needed, which ends the process before anything can be said.
    static func saveAddresses() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur < roomy else { return }
        // Swift does not import malloc.h.
        guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "mallopt") else { return }
        let arenaMax: Int32 = -8  // M_ARENA_MAX
        _ = unsafeBitCast(symbol, to: SetMallocOption.self)(arenaMax, 1)
    }

    /// Raises the limit of files that may be open as far as it must be and may be.
    ///
    /// - Throws: ``ProgramFailure`` when that is not enough.
    static func raiseFiles() throws {
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
