/// The table that a statement of a batch is about, read from the statement's beginning; never its values.
package enum StatementLabel {
    private static let openings = [
        "INSERT INTO ", "UPDATE ONLY ", "UPDATE ", "WITH replaced AS (DELETE FROM ONLY ",
        "WITH replaced AS (DELETE FROM ", "DELETE FROM ONLY ", "DELETE FROM ", "COPY ", "TRUNCATE ONLY ", "TRUNCATE ",
    ]

    /// The schema-qualified, quoted name; nil for a statement without a table.
    package static func table(of statement: UnsafeRawBufferPointer) -> String? {
        for opening in openings where statement.starts(with: opening.utf8) {
            let rest = UnsafeRawBufferPointer(rebasing: statement[opening.utf8.count...])
            guard let schema = identifierEnd(rest, from: 0), schema < rest.count, rest[schema] == UInt8(ascii: "."),
                let end = identifierEnd(rest, from: schema + 1)
            else { return nil }
            return String(decoding: rest[..<end], as: UTF8.self)
        }
        return nil
    }

    /// Where the quoted identifier that begins at `start` ends.
    private static func identifierEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let quote = UInt8(ascii: "\"")
        var index = start
        if index + 1 < bytes.count, bytes[index] == UInt8(ascii: "U"), bytes[index + 1] == UInt8(ascii: "&") {
            index += 2
        }
        guard index < bytes.count, bytes[index] == quote else { return nil }
        index += 1
        while index < bytes.count {
            if bytes[index] == quote {
                guard index + 1 < bytes.count, bytes[index + 1] == quote else { return index + 1 }
                index += 1
            }
            index += 1
        }
        return nil
    }
}
