/// What of a table the publications that are made do not send.
public struct PublicationRemark: Sendable, Equatable {
    /// The table, as SQL writes it.
    public let table: String
    /// What is not replicated, and why. Tables of one kind have the same words.
    public let reason: String
    /// The statement on the source that would change that; nil where there is none.
    public let statement: String?
    /// The statement can be run as it stands, and rewrites nothing.
    public let isReady: Bool

    init(_ table: String, _ reason: String, statement: String? = nil, isReady: Bool = false) {
        self.table = table
        self.reason = reason
        self.statement = statement
        self.isReady = isReady
    }

    /// The remarks with the same words together, in the order of the first of each.
    public static func grouped(_ remarks: [PublicationRemark]) -> [[PublicationRemark]] {
        var groups: [[PublicationRemark]] = []
        var places: [String: Int] = [:]
        for remark in remarks {
            if let place = places[remark.reason] {
                groups[place].append(remark)
            } else {
                places[remark.reason] = groups.count
                groups.append([remark])
            }
        }
        return groups
    }

    /// A group as one sentence: all names, the reason, and what to run.
    ///
    /// - Parameter side: what the user calls the server with these tables.
    public static func sentence(_ group: [PublicationRemark], on side: String = "source") -> String {
        let statements = group.compactMap(\.statement)
        return what(group)
            + (statements.isEmpty
                ? "" : "; to replicate that too, run on the \(side): " + statements.joined(separator: " "))
    }

    /// All names of a group, and the reason.
    public static func what(_ group: [PublicationRemark]) -> String {
        group.map(\.table).joined(separator: ", ") + ": " + (group.first?.reason ?? "")
    }
}
