import Migration
import Spool

/// What is answered to one request. Pure: it knows no connection.
struct HTTPAnswer: Sendable, Equatable {
    /// A request, as far as it matters.
    struct Request: Sendable {
        var method: String
        /// Path and query, as they were sent.
        var target: String
        var host: String?
        var authorization: String?
    }

    /// Who may ask.
    struct Rules: Sendable {
        /// The values of `Host` that are ours; nil where a token protects instead.
        var hosts: Set<String>?
        /// What a request must show; nil where everyone on this machine may ask.
        var token: String?
    }

    var status: Int
    var type = "text/plain; charset=utf-8"
    var body: String
    var headers: [String: String] = [:]

    /// The answer to a request.
    ///
    /// - Parameter nonce: makes the page's own style and script the only ones that a browser takes; never used twice.
    init(_ request: Request, _ look: StatusFeed.Look, _ rules: Rules, nonce: String) {
        let parts = request.target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        if let refusal = Self.refusal(request, query: parts.count > 1 ? String(parts[1]) : "", rules) {
            self = refusal
            return
        }
        switch parts.first {
        case "/": self = Self.page(look, nonce)
        case "/metrics": self = Self.metrics(look)
        case "/status.json": self = Self.json(look)
        default: self.init(404, "There is /, /metrics and /status.json.\n")
        }
    }

    private init(_ status: Int, _ body: String, type: String? = nil, headers: [String: String] = [:]) {
        self.status = status
        self.body = body
        if let type { self.type = type }
        self.headers = headers
    }

    private static func refusal(_ request: Request, query: String, _ rules: Rules) -> HTTPAnswer? {
        guard request.method == "GET" || request.method == "HEAD" else {
            return HTTPAnswer(405, "Only GET and HEAD.\n", headers: ["Allow": "GET, HEAD"])
        }
        // A page elsewhere that has its own name lead to this address would be taken for ours by a browser.
        if let hosts = rules.hosts, !(request.host.map { hosts.contains($0.lowercased()) } ?? false) {
            return HTTPAnswer(421, "This server has another name; use the address that clone serve printed.\n")
        }
        guard let token = rules.token else { return nil }
        let given = [
            request.authorization.flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil },
            query.split(separator: "&").first { $0.hasPrefix("token=") }.map { String($0.dropFirst(6)) },
        ]
        guard given.compactMap({ $0 }).contains(where: { isEqual($0, token) }) else {
            return HTTPAnswer(
                401, "A token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN.\n",
                headers: ["WWW-Authenticate": "Bearer"])
        }
        return nil
    }

    /// In a time that does not say how much of a guess was right.
    private static func isEqual(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }

    private static func page(_ look: StatusFeed.Look, _ nonce: String) -> HTTPAnswer {
        let policy =
            "default-src 'none'; style-src 'nonce-\(nonce)'; script-src 'nonce-\(nonce)'; connect-src 'self'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return HTTPAnswer(
            200, StatusPage(look, nonce: nonce).text, type: "text/html; charset=utf-8",
            headers: ["Content-Security-Policy": policy])
    }

    private static func metrics(_ look: StatusFeed.Look) -> HTTPAnswer {
        guard let status = look.status, look.trouble == nil else { return unavailable(look) }
        return HTTPAnswer(
            200, MigrationMetrics(status).text, type: "text/plain; version=0.0.4; charset=utf-8")
    }

    private static func json(_ look: StatusFeed.Look) -> HTTPAnswer {
        guard let status = look.status, look.trouble == nil else { return unavailable(look) }
        return HTTPAnswer(200, String(decoding: JSON.encode(status), as: UTF8.self) + "\n", type: "application/json")
    }

    private static func unavailable(_ look: StatusFeed.Look) -> HTTPAnswer {
        HTTPAnswer(503, (look.trouble ?? "not read yet") + "\n")
    }
}
