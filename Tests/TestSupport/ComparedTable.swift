/// A table as the catalogue of one database has it.
struct ComparedTable: Sendable {
    /// Type by column name.
    var columns: [String: String] = [:]
    /// Reads all rows of the table itself, with the columns in the order of their names.
    var select: String
}
