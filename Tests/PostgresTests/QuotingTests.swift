import Postgres
import TestSupport
import Testing
import Threading

@Suite struct QuotingTests {
    static let awkward = [
        "", "plain", "it's", "''", "a\\b", "\\'", "say \"so\"", "\"\"", "line\nfeed", "carriage\r\nreturn", "\n'\\\"\r",
        "tab\there", "$1 %s :name", "' OR 1=1 --", "\\n is not a newline\n", "é'e\u{301}\"", "'\u{301}", "\"\u{301}\n",
        "🚚'", "\u{2028}\u{85}\u{B}", "E'\\n'",
    ]

    @Test func identifiersAndLiteralsAreWrittenAsTheServerReadsThem() {
        #expect(Quoting.identifier("a\"b") == "\"a\"\"b\"")
        #expect(Quoting.qualified("s.x", "t\"") == "\"s.x\".\"t\"\"\"")
        #expect(Quoting.literal("it's \\n") == "'it''s \\n'")
        #expect(Quoting.literal("a\n'\\\r") == "E'a\\n''\\\\\\r'")
    }

    @Test(arguments: awkward) func aLiteralIsOneLine(text: String) {
        #expect(!Quoting.literal(text).utf8.contains(0x0A))
        #expect(!Quoting.literal(text).utf8.contains(0x0D))
    }

    @Test(.timeLimit(.minutes(5))) func aServerReadsLiteralsAndIdentifiersBackUnchanged() async throws {
        let string = try await Server.string()
        try await Worker.run(name: "quoting") {
            let connection = try Connection(string, applicationName: "tests")
            for text in QuotingTests.awkward {
                let result = try connection.execute(
                    "SELECT \(Quoting.literal(text)) AS \(Quoting.identifier("c" + text))", doing: "quoting")
                #expect(result.text(0, 0).map { Array($0.utf8) } == Array(text.utf8))
                let row = try connection.execute(
                    "SELECT pg_catalog.to_json(t)::text FROM (SELECT 1 AS \(Quoting.identifier("c" + text))) t",
                    doing: "quoting")
                let name = try connection.query(
                    "SELECT k FROM json_object_keys($1) k", [row.text(0, 0)], doing: "names")
                #expect(name.text(0, 0).map { Array($0.utf8) } == Array(("c" + text).utf8))
            }
        }
    }
}
