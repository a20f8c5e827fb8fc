/// The statement that the target refused, for the report about it. Holds row values: it goes nowhere else.
struct RefusedStatement: Sendable {
    /// The statement, without its row count.
    let sql: [UInt8]
    /// For a COPY: which one of the batch it is, from 1.
    var copyNumber: Int?
    /// For a COPY: which of its lines the server named, from 1.
    var copyLine: Int?
    /// For a COPY: that line, if it is known.
    var copyRow: [UInt8]?

    init(sql: [UInt8]) {
        self.sql = sql
    }

    /// It is a COPY, whose rows stand on lines of their own.
    var isCopy: Bool { sql.starts(with: "COPY ".utf8) }

    /// The number of the line in a COPY's CONTEXT: `COPY t, line 5, column v: "x"`, in any language.
    ///
    /// The table's name may hold commas and digits; the words behind it hold none before the number. Of a name that
    /// looks like such words, the number is wrong, and another row is shown.
    static func line(in context: String?) -> Int? {
        guard let context, context.hasPrefix("COPY ") else { return nil }
        for part in context.split(separator: ",", omittingEmptySubsequences: false).dropFirst() {
            let digits = part.drop { !$0.isNumber }.prefix { $0.isNumber }
            if part.first == " ", let number = Int(digits) { return number }
        }
        return nil
    }
}
