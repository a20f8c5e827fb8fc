import Glibc

/// Standard input, output and error, which whoever starts a program may have closed.
enum StandardDescriptors {
    /// Takes the numbers of those that are closed, before a file or a connection that is opened gets one of them: what is
    /// printed would go into it. Reading then finds nothing, and writing fails, as it would have.
    static func fill() {
        for descriptor: Int32 in 0...2 where fcntl(descriptor, F_GETFD) == -1 {
            // The lowest free number is this one.
            _ = open("/dev/null", O_RDONLY)
        }
    }
}
