/// Filter files as pgcopydb has them: sections in brackets, one name a line.
///
/// ```ini
/// ; rows of everything but the archive
/// [exclude-schema]
/// archive
/// ~/^tmp_/
///
/// [exclude-table]
/// public."Old Orders"
/// public.log_*
/// ```
///
/// The names follow the rules of ``NamePattern``, so that what pgcopydb reads means the same here, with three
/// differences. `*` and `?` outside quotes are patterns. Upper-case letters outside quotes are refused: pgcopydb takes
/// them as they are, PostgreSQL folds them. An unknown section or a section without a name is an error, not ignored.
public enum FilterFile {
    private enum Section: String, CaseIterable {
        case includeOnlySchema = "include-only-schema"
        case excludeSchema = "exclude-schema"
        case includeOnlyTable = "include-only-table"
        case excludeTable = "exclude-table"
        case excludeTableData = "exclude-table-data"
        case excludeIndex = "exclude-index"
        case includeOnlyExtension = "include-only-extension"
        case excludeExtension = "exclude-extension"
        /// Not pgcopydb's, and for the programs alone: a table, and the position after which its changes count.
        case startAfter = "start-after"

        static let forPeople = allCases.filter { $0 != .startAfter }
    }

    /// Sections that would leave open what happens to a table in neither.
    private static let conflicts: [(Section, Section)] = [
        (.includeOnlyTable, .excludeTable), (.includeOnlyTable, .excludeSchema),
        (.includeOnlySchema, .excludeSchema), (.includeOnlyExtension, .excludeExtension),
    ]

    /// Reads the contents of a filter file.
    ///
    /// - Parameter file: its name, for errors.
    /// - Throws: ``SelectionError`` with file and line.
    public static func parse(_ bytes: [UInt8], file: String) throws(SelectionError) -> Selection {
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        let bytes = bytes.starts(with: mark) ? bytes[3...] : bytes[...]
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw SelectionError(.notText, "the filter file is not UTF-8 text", file: file)
        }
        return try parse(text, file: file)
    }

    /// Reads the text of a filter file.
    ///
    /// - Parameter file: its name, for errors.
    /// - Throws: ``SelectionError`` with file and line.
    public static func parse(_ text: String, file: String) throws(SelectionError) -> Selection {
        var selection = Selection()
        var section: Section?
        /// The line of each section's first entry.
        var used: [Section: Int] = [:]
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = trimmed(raw)
            guard let first = line.first, first != ";", first != "#" else { continue }
            do throws(SelectionError) {
                if first == "[" {
                    section = try heading(line)
                    continue
                }
                guard let section else {
                    throw SelectionError(.malformedLine, "\"\(line)\" stands before the first [section]")
                }
                if section == .startAfter {
                    try addStart(line, &selection)
                } else {
                    try add(withoutValue(line), to: section, &selection)
                }
                if used[section] == nil { used[section] = index + 1 }
            } catch {
                throw error.at(line: index + 1, of: file)
            }
        }
        for (one, other) in conflicts {
            guard let line = used[one], let otherLine = used[other] else { continue }
            throw SelectionError(
                .conflictingSections,
                "[\(one.rawValue)] and [\(other.rawValue)] cannot stand in one file: what is in neither would be "
                    + "undecided", file: file, line: max(line, otherLine))
        }
        return selection
    }

    private static func heading(_ line: Substring) throws(SelectionError) -> Section {
        guard line.last == "]" else {
            throw SelectionError(.malformedLine, "the section's name does not end with ]: \(line)")
        }
        let name = String(trimmed(line.dropFirst().dropLast()))
        guard let section = Section(rawValue: name) else {
            let known = Section.forPeople.map(\.rawValue).joined(separator: ", ")
            throw SelectionError(.unknownSection, "there is no section [\(name)]; there are \(known)")
        }
        return section
    }

    private static func add(
        _ entry: String, to section: Section, _ selection: inout Selection
    ) throws(SelectionError) {
        var parser = PatternParser(entry, refusesUpperCase: true)
        switch section {
        case .includeOnlySchema: selection.includeSchemas.append(try parser.name())
        case .excludeSchema: selection.excludeSchemas.append(try parser.name())
        case .includeOnlyTable: selection.includeTables.append(try parser.table(needsSchema: true))
        case .excludeTable: selection.excludeTables.append(try parser.table(needsSchema: true))
        case .excludeTableData: selection.excludeTableData.append(try parser.table(needsSchema: true))
        case .excludeIndex: selection.excludeIndexes.append(try parser.table(needsSchema: true))
        case .includeOnlyExtension: selection.includeExtensions.append(try parser.name())
        case .excludeExtension: selection.excludeExtensions.append(try parser.name())
        case .startAfter: break
        }
    }

    /// `"schema"."table" = 1A/2B3C`: a log position as PostgreSQL writes it.
    private static func addStart(_ line: Substring, _ selection: inout Selection) throws(SelectionError) {
        let words = line.split(separator: "=")
        let digits = (words.last ?? "").split(separator: "/", omittingEmptySubsequences: false).map { trimmed($0) }
        guard words.count > 1, digits.count == 2, let high = UInt32(digits[0], radix: 16),
            let low = UInt32(digits[1], radix: 16)
        else { throw SelectionError(.malformedLine, "\"\(line)\" is no table and position") }
        var parser = PatternParser(withoutValue(line), refusesUpperCase: true)
        selection.starts.append((try parser.table(needsSchema: true), UInt64(high) << 32 | UInt64(low)))
    }

    /// The entry without ` = value`, which means nothing. An equals sign in quotes or in an expression is kept.
    private static func withoutValue(_ line: Substring) -> String {
        guard !line.contains("~/") else { return String(line) }
        var isQuoted = false
        for index in line.indices {
            if line[index] == "\"" { isQuoted.toggle() }
            if line[index] == "=" && !isQuoted { return String(trimmed(line[..<index])) }
        }
        return String(line)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
