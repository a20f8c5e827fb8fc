import PgOutput
import Postgres
import TestSupport
import Testing

/// Damaged, foreign and hostile bytes are errors, whatever they are; a trap would end this process.
@Suite struct BadMessageTests {
    @Test func everyProperPrefixOfAMessageIsRefused() {
        for message in GoldenMessages.all {
            for count in 0..<message.count {
                #expect(throws: PgOutputError.self, "\(count) bytes of \(message.prefix(1))") {
                    try words(Array(message[..<count]))
                }
            }
        }
    }

    @Test func everyMessageWithAByteMoreIsRefused() throws {
        for message in GoldenMessages.all {
            for byte: UInt8 in [0, 1, 0x6E, 0xFF] {
                let error = try #require(#expect(throws: PgOutputError.self) { try words(message + [byte]) })
                #expect(error.code == .trailingBytes)
                #expect(error.offset == message.count)
            }
        }
    }

    @Test func aChangedByteIsDecodedOrRefusedAndLeavesTheBoundsAlone() {
        var refused = 0
        for message in Set(GoldenMessages.all) where message.count < 300 {
            for offset in message.indices {
                for mask: UInt8 in [0x01, 0x02, 0x10, 0x20, 0x80, 0xFF] {
                    var damaged = message
                    damaged[offset] ^= mask
                    do {
                        _ = try words(damaged)
                    } catch {
                        #expect(error is PgOutputError)
                        refused += 1
                    }
                }
            }
        }
        #expect(refused > 1_000)
    }

    @Test func randomBytesNeverTrap() {
        var random = SeededRandom(seed: 20_260_101)
        let kinds = Array("BCORYIUDTM".utf8)
        var decoded = 0
        for round in 0..<100_000 {
            var bytes = (0..<Int.random(in: 0...48, using: &random)).map { _ in
                // Small numbers make lengths and counts that lead further in.
                UInt8.random(in: round % 2 == 0 ? 0...255 : 0...3, using: &random)
            }
            if let kind = kinds.randomElement(using: &random), !bytes.isEmpty, round % 3 != 0 { bytes[0] = kind }
            if round % 5 == 0, bytes.count > 5 { bytes[5] = UInt8(ascii: "N") }
            if (try? words(bytes)) != nil { decoded += 1 }
        }
        #expect(decoded > 0)
    }

    @Test(arguments: [
        ("54 7FFFFFFF 00 00000001", "a count of tables that are not there", PgOutputError.Code.truncated),
        ("54 FFFFFFFF 00", "a negative count of tables", .invalidLength),
        ("52 00000001 00 7400 64 7FFF", "a count of columns that are not there", .truncated),
        ("52 00000001 00 7400 64 8000", "a negative count of columns", .invalidLength),
        ("49 00000001 4E 7FFF", "a count of values that are not there", .truncated),
        ("49 00000001 4E FFFF", "a negative count of values", .invalidLength),
        ("49 00000001 4E 0001 74 7FFFFFFF 61", "a value of 2 GiB", .truncated),
        ("49 00000001 4E 0001 74 FFFFFFFF 61", "a value of negative length", .invalidLength),
        ("49 00000001 4E 0001 62 80000000", "a binary value of negative length", .invalidLength),
        ("4D 00 0000000000000001 6100 7FFFFFFF", "a content of 2 GiB", .truncated),
        ("4D 00 0000000000000001 6100 FFFFFFFF", "a content of negative length", .invalidLength),
        ("49 00000001 4E 0001 78", "an unknown column marker", .unknownMarker),
        ("49 00000001 4B 0000", "an insert of an old row", .unknownMarker),
        ("55 00000001 58 0000", "an update of an unknown row", .unknownMarker),
        ("55 00000001 4B 0000 4B 0000", "an update from key to key", .unknownMarker),
        ("55 00000001 4E", "an update without its row", .truncated),
        ("44 00000001 4E 0000", "a delete of a new row", .unknownMarker),
        ("52 00000001 00 7400 78 0000", "an unknown replica identity", .unknownMarker),
        ("4F 0000000000000001 61", "a string that does not end", .invalidString),
        ("59 00000001 00 FF00", "a string that is no UTF-8", .invalidString),
        ("53 00000001", "a message of streaming", .unknownMessage),
        ("00", "zeroed space", .unknownMessage),
        ("", "nothing", .truncated),
    ])
    func anImpossibleMessageIsRefusedForItsReason(hex: String, what: String, code: PgOutputError.Code) throws {
        let error = try #require(#expect(throws: PgOutputError.self, "\(what)") { try words(Hex.bytes(hex)) })
        #expect(error.code == code)
        #expect(!error.description.isEmpty)
    }

    @Test func anErrorNamesKindAndPlaceButNoValue() throws {
        let message = Array("I".utf8) + [0, 0, 0, 1] + Array("N".utf8) + [0, 1] + Array("t".utf8) + [0, 0, 0, 9]
        let error = try #require(
            #expect(throws: PgOutputError.self) { try words(message + Array("s3cret".utf8)) })
        #expect(error == PgOutputError(.truncated, kind: UInt8(ascii: "I"), offset: 13))
        #expect(error.description == "the pgoutput message 'I' ends too early at offset 13")
        #expect(PgOutputError(.unknownMessage, kind: 7, offset: 0).description.contains("byte 7"))
    }
}
