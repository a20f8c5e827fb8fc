import Catalog
import Spool
import TestSupport
import Testing

@testable import Migration
@testable import StatusServer

/// Who gets what, without a connection.
struct HTTPAnswerTests {
    private static let names = ["<script>alert(1)</script>", "a\u{1B}[2Jb", "\"' & </style>", "日本", "x\u{202E}y"]

    private let temporary: TemporaryFolder

    init() throws {
        temporary = try TemporaryFolder("status")
    }

    /// A look at a spool whose journal names its database so.
    private func look(_ name: String = "shop") throws -> StatusFeed.Look {
        let spool = SpoolDirectory(temporary.path("spool"))
        var journal = CloneJournal(
            tool: "test", started: "2026-11-27 02:00:00+00", source: .init(systemIdentifier: "1", name: name),
            target: .init(systemIdentifier: "2", name: name), follows: true, slot: name, stream: name, publications: [],
            extensions: [])
        journal.phase = .following
        journal.remarks = [name]
        journal.lastFailure = .init(at: "2026-11-27 02:00:00+00", code: 1, message: name)
        try spool.replaceState("clone.json", with: JSON.encode(journal))
        return StatusFeed(spool.path).current
    }

    private func answer(
        _ target: String, method: String = "GET", host: String? = "127.0.0.1:9466", authorization: String? = nil,
        hosts: Set<String>? = ["127.0.0.1:9466"], token: String? = nil
    ) throws -> HTTPAnswer {
        HTTPAnswer(
            .init(method: method, target: target, host: host, authorization: authorization), try look(),
            .init(hosts: hosts, token: token), nonce: "n")
    }

    @Test(arguments: [
        ("/", 200), ("/metrics", 200), ("/status.json", 200), ("/other", 404), ("/../etc/passwd", 404), ("", 404),
    ])
    func pathsAreAnswered(_ path: String, _ status: Int) throws {
        #expect(try answer(path).status == status)
    }

    @Test func nothingCanBeChanged() throws {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"] {
            #expect(try answer("/", method: method).status == 405)
        }
        #expect(try answer("/", method: "HEAD").status == 200)
    }

    @Test func anotherNameIsRefused() throws {
        for host in [nil, "evil.example", "evil.example:9466", "127.0.0.1", "127.0.0.1:80"] {
            #expect(try answer("/", host: host).status == 421)
        }
    }

    @Test func aTokenIsAskedFor() throws {
        for (path, header, status) in [
            ("/", nil, 401), ("/", "Bearer secret", 200), ("/?token=secret", nil, 200), ("/?token=secre", nil, 401),
            ("/?token=", nil, 401), ("/", "Bearer secret2", 401), ("/", "Basic secret", 401),
            ("/metrics?a=b&token=secret", nil, 200),
        ] {
            let answer = try answer(path, host: "db:1", authorization: header, hosts: nil, token: "secret")
            #expect(answer.status == status, "\(path) \(header ?? "")")
            #expect(!answer.body.contains("shop") || status == 200)
        }
    }

    @Test(arguments: names)
    func whatNamesSayStaysText(_ name: String) throws {
        let page = StatusPage(try look(name), nonce: "n").text
        let body = page.replacing("<script nonce=", with: "").replacing("</script></body>", with: "")
        for bad in ["<script", "</script", "\u{1B}", "\u{202E}", "\"' &"] { #expect(!body.contains(bad), "\(bad)") }
        #expect(page.contains("</main>") && page.contains("Changes are not followed"))
    }

    @Test func aFolderWithoutAMigrationIsSaid() throws {
        let look = StatusFeed(temporary.path("nothing")).current
        let rules = HTTPAnswer.Rules(hosts: nil, token: nil)
        let page = HTTPAnswer(.init(method: "GET", target: "/", host: nil, authorization: nil), look, rules, nonce: "n")
        #expect(page.status == 200 && page.body.contains("holds no journal of a clone"))
        let metrics = HTTPAnswer(
            .init(method: "GET", target: "/metrics", host: nil, authorization: nil), look, rules, nonce: "n")
        #expect(metrics.status == 503)
    }

    @Test func theHistoryIsAnHourOfTheWorst() {
        var history = StatusHistory()
        for second in 0..<10_000 { history.add(second: second, lagBytes: second == 9_995 ? 77 : 1) }
        #expect(history.samples.count == StatusHistory.spanSeconds / StatusHistory.stepSeconds + 1)
        #expect(history.samples.last == StatusHistory.Sample(second: 9_990, lagBytes: 77))
    }
}
