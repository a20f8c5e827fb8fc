import Glibc

/// Looks for TCP ports that nobody listens on.
public enum FreePort {
    /// A port that was free on 127.0.0.1 just now; someone may take it before it is used.
    ///
    /// From below the range the kernel takes for outgoing connections, so that a server that was stopped most likely
    /// gets it again.
    public static func find() -> Int {
        for _ in 0..<1000 {
            let port = Int.random(in: 18_000..<32_000)
            if isFree(UInt16(port)) { return port }
        }
        return 0
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        // As the server does: connections of a server that has just stopped do not hinder.
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
