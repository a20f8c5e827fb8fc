import NIOCore
import NIOHTTP1

/// One connection: takes requests and answers each.
final class StatusHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// A connection on which nothing happens for so long is closed.
    static let idleSeconds: Int64 = 30

    private let feed: StatusFeed
    private let rules: HTTPAnswer.Rules
    private var head: HTTPRequestHead?

    init(_ feed: StatusFeed, _ rules: HTTPAnswer.Rules) {
        self.feed = feed
        self.rules = rules
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body:
            // Nothing that is asked here has a body: what comes of it must not take memory or time.
            answerOnce(context, closes: true)
        case .end:
            answerOnce(context, closes: false)
        }
    }

    private func answerOnce(_ context: ChannelHandlerContext, closes: Bool) {
        guard let head else { return }
        self.head = nil
        answer(head, context, isKept: head.isKeepAlive && !closes)
    }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext, isKept: Bool) {
        let hosts = head.headers["host"]
        let request = HTTPAnswer.Request(
            method: head.method.rawValue, target: head.uri, host: hosts.count == 1 ? hosts.first : nil,
            authorization: head.headers.first(name: "authorization"))
        let nonce =
            String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
        let answer = HTTPAnswer(request, feed.current, rules, nonce: nonce)
        var headers = HTTPHeaders([
            ("Content-Type", answer.type), ("Content-Length", "\(answer.body.utf8.count)"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
        ])
        for (name, value) in answer.headers { headers.add(name: name, value: value) }
        if !isKept { headers.add(name: "Connection", value: "close") }
        let response = HTTPResponseHead(
            version: head.version, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        context.write(wrapOutboundOut(.head(response)), promise: nil)
        if head.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: answer.body)))), promise: nil)
        }
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            if !isKept { channel.close(promise: nil) }
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}
