import Testing

@testable import Batches

@Suite struct TransactionControlTests {
    private func word(_ line: String) -> String? {
        Array(line.utf8).withUnsafeBytes { TransactionControl.word(in: $0) }
    }

    @Test(arguments: [
        "COMMIT;", "commit;", "Commit ;", "  commit;", "ROLLBACK TO a;", "END;", "abort;", "START TRANSACTION;",
        "BEGIN;",
        "SAVEPOINT a;", "RELEASE a;", "PREPARE TRANSACTION 'x';", "/* a /* b */ */ commit;", "SELECT 1;commit;",
        "SELECT 1; \tend;", "SELECT 1;/**/COMMIT;", "SELECT 'a;b'; commit;", "SELECT E'\\';'; commit;--';",
        "SELECT $a$ ; $a$; commit;", "SELECT \"a\"\";\"; commit;", ";;commit", "SELECT 'x' ;/* ; */ rollback;",
        "SELECT $1a$; commit;",
    ])
    func whatEndsATransactionIsFound(_ line: String) {
        #expect(word(line) != nil)
    }

    @Test(arguments: [
        "INSERT INTO t VALUES ('commit;');", "INSERT INTO t VALUES ('a; commit;');", "SELECT 1;", "",
        "INSERT INTO t VALUES (E'it\\'s; commit;');", "UPDATE \"a; end;\" SET v = $q$; rollback; $q$;",
        "SELECT 1 -- ; commit;", "/* ; commit; */ SELECT 1;", "COMMITTED;", "SELECT commit;", "endless;",
        "INSERT INTO t VALUES ('&nbsp;Start; end');", "SELECT 'a''; commit;';", "COPY t FROM stdin;",
        "SELECT U&'\\0027; commit;';", "SELECT $a$ $b$; commit; $a$;", "SELECT \"e'; commit;\";", "TRUNCATE t;",
    ])
    func whatStandsInValuesIsNot(_ line: String) {
        #expect(word(line) == nil)
    }

    /// Whatever bytes come: an answer, and no trap.
    @Test func anyBytesAreRead() {
        var seed: UInt64 = 7
        let alphabet = Array("';\"$-/*\\eEcommitend; \u{0}".utf8) + [0xFF]
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<24 {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                bytes.append(alphabet[Int(seed >> 33) % alphabet.count])
            }
            _ = bytes.withUnsafeBytes { TransactionControl.word(in: $0) }
        }
    }
}
