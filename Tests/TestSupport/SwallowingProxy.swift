import Glibc
import Synchronization
import Threading

/// Passes TCP connections on to a server until it is told to swallow: then it keeps them, takes further ones, and passes
/// nothing any more in either direction. Whoever is connected hears neither data nor an end.
public final class SwallowingProxy: Sendable {
    /// Where it listens on 127.0.0.1.
    public let port: Int
    private let server: Int?
    private let listener: Int32
    private let swallowing = StopRequest()
    private let passing = StopRequest()
    private let stopping = StopRequest()
    private let worker = Mutex<Worker?>(nil)

    /// A proxy before the server that listens on `server`; without one it swallows from the start.
    public init(to server: Int? = nil) throws {
        self.server = server
        if server == nil { swallowing.request() }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw ProxyError() }
        listener = descriptor
        port = FreePort.find()
        guard Self.with(port, { bind(descriptor, $0, $1) }) == 0, listen(descriptor, 64) == 0 else {
            throw ProxyError()
        }
        let started = Worker.start(name: "proxy") { [swallowing, passing, stopping] in
            Passing(descriptor, server).run(swallowing: swallowing, passing: passing, stopping: stopping)
        }
        worker.withLock { $0 = started }
    }

    /// Lets nothing pass from now on.
    public func swallow() { swallowing.request() }

    /// Lets connections pass again that are made from now on; those that were swallowed stay so.
    public func passNewOnes() { passing.request() }

    /// Ends all connections.
    public func end() {
        stopping.request()
        worker.withLock { $0 }?.join()
    }

    /// A connection string with this proxy as the host.
    public func string(database: String, user: String = "postgres") -> String {
        "host=127.0.0.1 port=\(port) user=\(user) dbname=\(database) sslmode=disable gssencmode=disable"
    }

    struct ProxyError: Error {}

    static func with(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// The proxy's thread.
private struct Passing {
    private let listener: Int32
    private let server: Int?
    private var pairs: [(client: Int32, server: Int32)] = []
    private var kept: [Int32] = []
    private var swallowedAt: Deadline?

    init(_ listener: Int32, _ server: Int?) {
        self.listener = listener
        self.server = server
    }

    consuming func run(
        swallowing: StopRequest, passing: StopRequest, stopping: StopRequest
    ) {
        while !stopping.isRequested {
            if swallowing.isRequested {
                kept += pairs.prefix(swallowedAt == nil ? pairs.count : 0).flatMap { [$0.client, $0.server] }
                if swallowedAt == nil { pairs = [] }
                swallowedAt = swallowedAt ?? .now
            }
            let swallows = swallowing.isRequested && !passing.isRequested
            var set = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
            if !swallows {
                for pair in pairs {
                    set.append(pollfd(fd: pair.client, events: Int16(POLLIN), revents: 0))
                    set.append(pollfd(fd: pair.server, events: Int16(POLLIN), revents: 0))
                }
            }
            guard poll(&set, nfds_t(set.count), 20) > 0 else { continue }
            if swallowing.isRequested == (swallowedAt != nil) && !swallows { pass(set) }
            if set[0].revents != 0 { take(swallows) }
        }
        for pair in pairs { close(pair.client); close(pair.server) }
        for descriptor in kept + [listener] { close(descriptor) }
    }

    private mutating func take(_ swallows: Bool) {
        let client = accept(listener, nil, nil)
        guard client >= 0 else { return }
        guard !swallows, let server else { return kept.append(client) }
        let upstream = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard SwallowingProxy.with(server, { connect(upstream, $0, $1) }) == 0 else {
            close(upstream)
            close(client)
            return
        }
        pairs.append((client, upstream))
    }

    private mutating func pass(_ set: [pollfd]) {
        var ended: [Int] = []
        for index in pairs.indices {
            let (client, server) = pairs[index]
            for (place, from, to) in [(1 + 2 * index, client, server), (2 + 2 * index, server, client)]
            where set[place].revents != 0 {
                if !move(from, to), ended.last != index { ended.append(index) }
            }
        }
        for index in ended.reversed() {
            let pair = pairs.remove(at: index)
            close(pair.client)
            close(pair.server)
        }
    }

    private func move(_ from: Int32, _ to: Int32) -> Bool {
        var bytes = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(from, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        var sent = 0
        while sent < count {
            let more = bytes.withUnsafeBytes {
                send(to, $0.baseAddress.map { $0 + sent }, count - sent, Int32(MSG_NOSIGNAL))
            }
            guard more > 0 else { return false }
            sent += more
        }
        return true
    }
}
