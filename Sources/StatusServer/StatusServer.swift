import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Threading

/// Serves a migration's page, metrics and status by HTTP, read-only, from the spool's files alone.
public struct StatusServer: Sendable {
    /// Where it listens, and who may ask.
    public struct Settings: Sendable {
        /// The address to listen at.
        public var host: String
        /// The port; 0 for any that is free.
        public var port: Int
        /// What every request must show; nil for none, which only loopback addresses may have.
        public var token: String?

        /// The given settings.
        public init(host: String, port: Int, token: String?) {
            self.host = host
            self.port = port
            self.token = token
        }

        /// Only programs of this machine can reach it.
        public var isLoopback: Bool { host == "::1" || host == "localhost" || host.hasPrefix("127.") }

        func rules(port: Int) -> HTTPAnswer.Rules {
            let names = isLoopback ? [host, "localhost", "127.0.0.1", "[::1]"] : nil
            return HTTPAnswer.Rules(hosts: names.map { Set($0.map { "\($0):\(port)" }) }, token: token)
        }
    }

    private let feed: StatusFeed
    private let settings: Settings

    /// A server of what `feed` says.
    public init(_ feed: StatusFeed, _ settings: Settings) {
        self.feed = feed
        self.settings = settings
    }

    /// Serves until it is stopped.
    ///
    /// - Parameter ready: takes the port once it listens.
    /// - Throws: what NIO throws, when it cannot listen there.
    public func run(_ stop: StopRequest, ready: @Sendable (Int) -> Void) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let channel = try await listen(group)
            ready(channel.localAddress?.port ?? settings.port)
            try await Worker.run(name: "status") { [feed] in feed.run(stop) }
            try await channel.close()
            try await group.shutdownGracefully()
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private func listen(_ group: MultiThreadedEventLoopGroup) async throws -> any Channel {
        let (feed, settings) = (feed, settings)
        return try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 64)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(IdleStateHandler(allTimeout: .seconds(StatusHandler.idleSeconds)))
                    try pipeline.configureHTTPServerPipeline(withErrorHandling: true)
                    try pipeline.addHandler(StatusHandler(feed, settings.rules(port: channel.localAddress?.port ?? 0)))
                }
            }
            .bind(host: settings.host, port: settings.port).get()
    }
}
