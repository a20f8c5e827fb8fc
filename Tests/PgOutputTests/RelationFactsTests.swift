import Foundation
import Testing

@testable import PgOutput

/// Facts that are read from a file become parts of statements.
struct RelationFactsTests {
    @Test(arguments: [
        "integer", "timestamp(3) without time zone", "numeric(10,-2)", "\"My \"\"Schema\".\"a;b'c\"[]",
        "public.geometry(Point,4326)",
        "bit varying(5)", "interval day to second(3)", "\"char\"",
    ])
    func aTypeIsTaken(_ type: String) {
        #expect(RelationFacts.isType(type))
    }

    @Test(arguments: [
        "", "integer; DROP TABLE t", "integer) OR (1=1", "text'", "text -- x", "text/**/", "\"open", "text\0",
        "\"a\0b\"", "text\n", "$1",
        "text=text", "text::int",
    ])
    func whatIsNoneIsRefused(_ text: String) {
        #expect(!RelationFacts.isType(text))
    }

    @Test func aFileWithSuchIsRefused() throws {
        func facts(_ type: String, _ name: String = "c") throws -> RelationFacts {
            let facts = RelationFacts(relation: 1, schema: "s", table: "t", columns: [.init(name: name, type: type)])
            return try JSONDecoder().decode(RelationFacts.self, from: JSONEncoder().encode(facts))
        }
        #expect(try facts("integer").columns[0].type == "integer")
        #expect(throws: DecodingError.self) { try facts("int; x") }
        #expect(throws: DecodingError.self) { try facts("int", "a\0b") }
    }
}
