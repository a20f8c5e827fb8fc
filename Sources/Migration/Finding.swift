import Observability

/// What a look at the servers before a migration found.
public struct Finding: Encodable, Sendable, Equatable {
    /// How much it matters.
    public enum Status: String, Encodable, Sendable {
        /// As it should be.
        case pass
        /// The migration works, with a limit that the user should know.
        case warn
        /// The migration would be refused, or fail.
        case fail
    }

    /// Where it was found.
    public enum Place: String, Encodable, Sendable {
        case source
        case target
        /// On the machine that the migration runs on.
        case here
    }

    /// How much it matters.
    public let status: Status
    /// Where it was found.
    public let place: Place
    /// What was looked at: a setting's name, or a few words.
    public let check: String
    /// What was found.
    public let detail: String
    /// What to run or do about it; nil where nothing is to be done.
    public let remedy: String?
    /// What an administrator runs there about it; nil where no statement helps.
    public let sql: [String]?
    /// What the user can run there to do without the limit, as it stands; nil where there is nothing of the kind.
    public let statements: [String]?
    /// What a migration would be refused with.
    public let exitStatus: ExitStatus

    enum CodingKeys: String, CodingKey {
        case status, place, check, detail, remedy, sql, statements
    }

    init(
        _ status: Status, _ place: Place, _ check: String, _ detail: String, remedy: String? = nil,
        sql: [String]? = nil, statements: [String]? = nil, exitStatus: ExitStatus = .unsuitableServer
    ) {
        self.status = status
        self.place = place
        self.check = check
        self.detail = detail
        self.remedy = remedy
        self.sql = sql
        self.statements = statements
        self.exitStatus = exitStatus
    }

    /// It and what to do about it, as one sentence.
    var sentence: String {
        let run = statements.map { "run on the \(place.rawValue): \($0.joined(separator: " "))" }
        return [detail, remedy, run].compactMap { $0 }.joined(separator: "; ")
    }
}
