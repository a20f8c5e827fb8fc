import FoundationEssentials
import Postgres
import Testing

@Suite struct LSNTests {
    @Test(arguments: [
        ("0/0", 0), ("0/1A2B3C", 0x1A2B3C), ("1/0", 0x1_0000_0000), ("16/B374D848", 0x16_B374_D848),
        ("FFFFFFFF/FFFFFFFF", UInt64.max), ("0/FFFFFFFF", 0xFFFF_FFFF),
    ])
    func textIsAsPostgreSQLWritesIt(text: String, value: UInt64) throws {
        #expect(LSN(rawValue: value).description == text)
        #expect(try #require(LSN(text)).rawValue == value)
    }

    @Test(arguments: [("0/1a2b3c", 0x1A2B3C), ("0000000A/00000001", 0xA_0000_0001), ("0/00000000", 0)])
    func lowerCaseAndLeadingZerosAreRead(text: String, value: UInt64) {
        #expect(LSN(text)?.rawValue == value)
    }

    @Test(arguments: [
        "", "/", "0", "0/", "/0", "0/0/0", "+0/1", "0/+1", "-0/1", "0/-1", "0x0/1", " 0/1", "0/1 ", "0/ 1", "0\\1",
        "0/G", "000000001/0", "0/000000001", "0/123456789", "0/1\n", "٠/١", "0/1\u{301}", "16,B374D848",
    ])
    func anythingElseIsRefused(text: String) {
        #expect(LSN(text) == nil)
    }

    @Test func theOrderIsThatOfTheLog() {
        let texts = ["0/0", "0/1", "0/F", "0/10", "0/FFFFFFFF", "1/0", "9/0", "A/0", "10/0", "FFFFFFFF/FFFFFFFF"]
        let positions = texts.compactMap { LSN($0) }
        #expect(positions.shuffled().sorted() == positions)
        #expect(LSN.zero == positions[0])
    }

    @Test func fileNamesCarrySixteenDigitsWhoseOrderIsThatOfTheLog() {
        #expect(LSN(rawValue: 0x16_B374_D848).fileNameForm == "00000016B374D848")
        #expect(LSN.zero.fileNameForm == "0000000000000000")
        #expect(LSN(rawValue: .max).fileNameForm == "FFFFFFFFFFFFFFFF")
        let positions = [0, 9, 10, 15, 16, 0xFFFF_FFFF, 0x1_0000_0000, UInt64.max].map(LSN.init(rawValue:))
        #expect(positions.map(\.fileNameForm).sorted() == positions.map(\.fileNameForm))
    }

    @Test func documentsCarryTheText() throws {
        let encoded = try JSONEncoder().encode(["at": LSN(rawValue: 0x2A)])
        #expect(String(decoding: encoded, as: UTF8.self).replacing("\\/", with: "/") == #"{"at":"0/2A"}"#)
        #expect(try JSONDecoder().decode([String: LSN].self, from: encoded) == ["at": LSN(rawValue: 0x2A)])
    }

    @Test(arguments: [#"["0-2A"]"#, #"[42]"#, #"[null]"#, #"["0/2a"]"#, #"["0/02A"]"#])
    func documentsCarryTheTextInOneFormOnly(json: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode([LSN].self, from: Data(json.utf8)) }
    }
}
