import Glibc

/// Standard input where only its end matters.
public enum StandardInput {
    /// Reads and forgets what is there. False at the end.
    public static func skip() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = read(0, buffer.baseAddress, buffer.count)
            return count > 0 || (count < 0 && errno == EINTR)
        }
    }
}
