import Testing
@testable import Catalog
@testable import CloneCommand
@testable import Copying
@testable import Migration

/// Lines for a terminal.
struct PainterTests {
    @Test func aLineFitsAndMovesNothing() {
        #expect(Painter.cut("\"a\" is fine\\", to: 40) == "\"a\" is fine\\")
        #expect(Painter.cut("0123456789", to: 4) == "0123")
        #expect(Painter.cut("a\u{1B}[2Jb\rc\nd\u{202E}", to: 40) == "a?[2Jb?c?d?")
        // What may be two columns wide counts as two.
        #expect(Painter.cut("日本語", to: 5) == "日本")
    }

    @Test func aTableIsDoneWhenItsLastPartIs() {
        let progress = CloneProgress()
        let tables = [
            CopiedTable(oid: 1, name: "a", columns: nil, size: 300, file: "1", blocks: 2, isDivisible: true),
            CopiedTable(oid: 2, name: "b", columns: nil, size: 100, file: "2", blocks: 1, isDivisible: true),
        ]
        let parts = [1, 2].map { CopyPart(table: tables[0], number: $0, count: 2, size: 150) }
        progress.plan(tables)
        for part in parts {
            progress.begin(part)
            progress.add(bytes: 75, rows: 5, to: part)
        }
        #expect(progress.snapshot.current.map(\.name) == ["a (part 1 of 2)", "a (part 2 of 2)"])
        progress.finish(parts[1], isLast: false)
        #expect(progress.snapshot.tablesDone == 0)
        progress.finish(parts[0], isLast: true)
        // Text is half of what pages are here: 25 bytes of text are 50 of b's pages.
        let whole = CopyPart(table: tables[1], size: 100)
        progress.begin(whole)
        progress.add(bytes: 25, rows: 1, to: whole)
        let now = progress.snapshot
        #expect(now.tablesDone == 1 && now.bytes == 175 && now.rows == 11)
        #expect(abs(now.fraction - 350.0 / 400) < 0.02)
    }

    @Test func smallTablesSayLittleOfALargeOne() {
        let progress = CloneProgress()
        let tables = [(1, 1_000_000_000), (2, 80_000)].map { number, size in
            CopiedTable(
                oid: UInt32(number), name: "t\(number)", columns: nil, size: size, file: "\(number)", blocks: 2,
                isDivisible: true)
        }
        progress.plan(tables)
        let parts = tables.map { CopyPart(table: $0, number: 1, count: 1, size: $0.size) }
        for part in parts { progress.begin(part) }
        // Ten rows in ten pages, and then a fifth of the large table.
        progress.add(bytes: 100, rows: 10, to: parts[1])
        progress.finish(parts[1], isLast: true)
        progress.add(bytes: 200_000_000, rows: 1_000_000, to: parts[0])
        #expect(progress.snapshot.fraction > 0.15 && progress.snapshot.fraction < 0.25, "\(progress.snapshot.fraction)")
    }
}
