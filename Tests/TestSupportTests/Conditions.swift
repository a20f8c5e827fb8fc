import Glibc

/// Whether a process exists and has not ended: one that nobody has reaped yet has no executable any more.
func isAlive(_ pid: pid_t) -> Bool {
    var byte: CChar = 0
    return readlink("/proc/\(pid)/exe", &byte, 1) > 0
}

/// Whether something exists at this path.
func exists(_ path: String) -> Bool {
    access(path, F_OK) == 0
}

/// Asks until the condition holds; false when it does not in time.
func becomesTrue(within limit: Duration = .seconds(30), _ condition: () -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + limit
    while !condition() {
        if ContinuousClock.now >= deadline { return false }
        try await Task.sleep(for: .milliseconds(10))
    }
    return true
}
