import Selection
import Testing

/// pgcopydb's filter files.
@Suite struct FilterFileTests {
    private func error(_ text: String) throws -> SelectionError {
        try #require(#expect(throws: SelectionError.self) { try FilterFile.parse(text, file: "f.ini") })
    }

    @Test func anInclusion() throws {
        let it = try FilterFile.parse(
            """
            ; comment
            # comment
            [include-only-schema]
            public
            ~/^audit_/

              [include-only-table]\r
            public.film =\t
            public."Film Actor"=ignored
            public."a=b"
            audit_1.~/^x=/

            [exclude-index]
            public.film_idx
            [exclude-table-data]
            public.film
            [include-only-extension]
            uuid-ossp

            """, file: "f.ini")
        #expect(it.includesData(schema: "public", table: "Film Actor"))
        #expect(it.includesData(schema: "public", table: "a=b"))
        #expect(it.includesData(schema: "audit_1", table: "x=1"))
        #expect(it.includes(schema: "public", table: "film") && !it.includesData(schema: "public", table: "film"))
        #expect(!it.includes(schema: "public", table: "film_actor"))
        #expect(!it.includesIndex(schema: "public", index: "film_idx"))
        #expect(it.includes(extension: "uuid-ossp") && !it.includes(extension: "citext"))
    }

    @Test func anExclusion() throws {
        let it = try FilterFile.parse(
            Array(
                "\u{FEFF}[exclude-schema]\nfoo\n~/^tmp_/\n[exclude-table]\npublic.log_*\n[exclude-extension]\nx".utf8),
            file: "f.ini")
        #expect(!it.includes(schema: "foo") && !it.includes(schema: "tmp_1") && it.includes(schema: "public"))
        #expect(!it.includes(schema: "public", table: "log_1") && it.includes(schema: "public", table: "logs"))
        #expect(!it.includes(extension: "x"))
    }

    @Test func anEmptyFileSelectsEverything() throws {
        #expect(try FilterFile.parse("\n; nothing\n[exclude-table]\n", file: "f.ini").includesAllTables)
    }

    @Test(arguments: [
        ("public.t\n", SelectionError.Code.malformedLine, 1), ("\n[exclude-table\n", .malformedLine, 2),
        ("[exclude-tables]\n", .unknownSection, 1), ("[include-only-tables]\na.b", .unknownSection, 1),
        ("[exclude-table]\n\nt\n", .invalidPattern, 3), ("[exclude-table]\npublic.Film\n", .invalidPattern, 2),
        ("[exclude-table]\npublic.t ; why\n", .invalidPattern, 2), ("[exclude-table]\na.b.c\n", .invalidPattern, 2),
        ("[exclude-schema]\na.b\n", .invalidPattern, 2), ("[exclude-schema]\n~/(/\n", .invalidRegularExpression, 2),
        ("[exclude-table]\na.b\n[include-only-table]\na.c\n", .conflictingSections, 4),
        ("[include-only-table]\na.c\n[exclude-schema]\na\n", .conflictingSections, 4),
        ("[include-only-schema]\na\n[exclude-schema]\nb\n", .conflictingSections, 4),
        ("[include-only-extension]\na\n[exclude-extension]\nb\n", .conflictingSections, 4),
    ])
    func mistakesAreNamedWithTheirLine(_ text: String, _ code: SelectionError.Code, _ line: Int) throws {
        let error = try error(text)
        #expect(error.code == code)
        #expect(error.line == line && error.file == "f.ini")
        #expect(error.description.hasPrefix("f.ini:\(line): "))
    }

    @Test func whatIsNoTextIsRefused() throws {
        let error = try #require(
            #expect(throws: SelectionError.self) { try FilterFile.parse([0x5B, 0xFF], file: "f.ini") })
        #expect(error.code == .notText && error.file == "f.ini")
    }
}
