/// How far the copy of a migration has come. Each step includes those before it, so that a run that comes after one that was
/// interrupted knows what is done.
public enum CopyStep: String, Codable, Sendable, Comparable, CaseIterable {
    /// All rows and large objects are on the target.
    case rows
    /// So are indexes and keys.
    case keys
    /// The target's position is placed for bringing tables of several snapshots to one moment.
    case catchingUp = "catching-up"
    /// All tables are of one moment.
    case caughtUp = "caught-up"
    /// So is all the rest of the definitions, except what would act on others of them.
    case definitions
    /// All definitions are on the target.
    case complete

    /// Earlier steps are less.
    public static func < (left: CopyStep, right: CopyStep) -> Bool { left.number < right.number }

    private var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// What journals of format 1 had in a step's place.
struct CopyFlags: Decodable {
    var isBehindRows: Bool?
    var isBehindKeys: Bool?
    var isCatchingUp: Bool?
    var isCaughtUp: Bool?
    var isBehindRest: Bool?
    var isBehindIndexes: Bool?

    enum CodingKeys: String, CodingKey {
        case isBehindRows = "is_behind_rows"
        case isBehindKeys = "is_behind_keys"
        case isCatchingUp = "is_catching_up"
        case isCaughtUp = "is_caught_up"
        case isBehindRest = "is_behind_rest"
        case isBehindIndexes = "is_behind_indexes"
    }

    /// The last step whose flag was set.
    var step: CopyStep? {
        let flags = [isBehindRows, isBehindKeys, isCatchingUp, isCaughtUp, isBehindRest, isBehindIndexes]
        return zip(CopyStep.allCases, flags).filter { $0.1 == true }.last?.0
    }
}
