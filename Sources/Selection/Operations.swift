/// Which kinds of change are meant.
public struct Operations: OptionSet, Sendable, Hashable {
    /// The bits.
    public let rawValue: UInt8

    /// The given bits.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Rows inserted.
    public static let insert = Operations(rawValue: 1)
    /// Rows updated.
    public static let update = Operations(rawValue: 2)
    /// Rows deleted.
    public static let delete = Operations(rawValue: 4)
    /// Tables emptied.
    public static let truncate = Operations(rawValue: 8)
    /// All of them.
    public static let all: Operations = [.insert, .update, .delete, .truncate]

    /// Reads names separated by commas, in upper or lower case: `insert,update`.
    ///
    /// - Throws: ``SelectionError`` with `unknownOperation`.
    public init(_ text: String) throws(SelectionError) {
        var found: Operations = []
        for word in text.split(separator: ",", omittingEmptySubsequences: false) {
            switch word.drop(while: { $0 == " " }).lowercased() {
            case "insert": found.insert(.insert)
            case "update": found.insert(.update)
            case "delete": found.insert(.delete)
            case "truncate": found.insert(.truncate)
            default:
                throw SelectionError(
                    .unknownOperation, "\"\(word)\" is no operation; use insert, update, delete or truncate")
            }
        }
        self = found
    }
}
