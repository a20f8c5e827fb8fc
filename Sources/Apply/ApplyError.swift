import Postgres

/// Why a batch was not applied. The target is then where the last complete batch took it.
///
/// `description` carries no row values; ``debugDescription`` adds the server's DETAIL, which may.
public struct ApplyError: Error, Sendable {
    /// What kind of failure it is.
    public enum Code: Sendable, Equatable {
        /// No session could be opened, or it ended: the same input can be applied again from the target's position.
        case connectionLost
        /// The role may not do what replaying needs.
        case privilege
        /// A setting of the session did not take, or a pooler stands in between.
        case unsuitableSession
        /// Another session holds the target's position.
        case positionBusy
        /// The target's position was not where the batch continues when it was to be moved: something else moved it
        /// (``BatchTransaction``, before COMMIT).
        case positionMoved
        /// The batch begins before the target's position and ends after it (``BatchExecutor``).
        case straddling
        /// The batch begins after the target's position (``BatchExecutor``).
        case gap
        /// A statement changed another number of rows than on the source (``BatchTransaction``).
        case rowCountMismatch
        /// A constraint of the target refused a change.
        case constraint
        /// A deadlock or serialization failure: the same batch can be applied again.
        case conflict
        /// Connections that apply a batch together would depend on one another.
        case lanesDepend
        /// The server refused a statement for another reason.
        case server
        /// No transaction, or more than one, ends where one is to be skipped.
        case unknownTransaction
        /// The input is not a stream of batches.
        case malformedInput
        /// The input ended without an end mark.
        case inputEndedEarly
        /// The input is of another source, log or timeline than the position (``TargetPosition``), or continues with another.
        case foreignStream
    }

    /// What kind of failure it is.
    public let code: Code
    /// What happened and what to do next.
    public internal(set) var message: String
    /// The batch's range in words, if it happened in one.
    public internal(set) var batch: String?
    /// The table, schema-qualified and quoted.
    public let table: String?
    /// The server's own error; without the values that some of its messages quote, if it happened in a batch.
    public let cause: PostgresError?
    /// Trying again by itself would change nothing, whatever kind of failure it is.
    var isFinal = false
    /// The statement that was refused, for the report; holds row values.
    var refused: RefusedStatement?
    /// The server's message as it was, for the report; may hold row values.
    private(set) var serverMessage: String?

    /// An error of the given kind.
    public init(
        _ code: Code, _ message: String, batch: String? = nil, table: String? = nil, cause: PostgresError? = nil
    ) {
        self.code = code
        self.message = message
        self.batch = batch
        self.table = table
        self.cause = cause
    }

    /// An error of the server while a batch was applied.
    init(_ error: PostgresError, batch: String?, table: String?) {
        let named = error.object.flatMap { object in
            object.table.map { table in
                object.schema.map { Quoting.qualified($0, table) } ?? Quoting.identifier(table)
            }
        }
        let original = error.message
        var error = error
        if batch != nil { error.hideValues() }
        var what = error.description
        if let constraint = error.object?.constraint { what += "; constraint \(Quoting.identifier(constraint))" }
        self.init(
            ApplyError.code(for: error), what + "; " + ApplyError.advice(for: ApplyError.code(for: error)),
            batch: batch, table: named ?? table, cause: error)
        serverMessage = original
    }

    private static func code(for error: PostgresError) -> Code {
        if error.code == .connectionLost || error.code == .cannotConnect { return .connectionLost }
        if error.code == .untrusted { return .privilege }
        guard let state = error.sqlState else { return .server }
        switch state.errorClass {
        case "08": return .connectionLost
        case "23": return .constraint
        case "40": return .conflict
        case "57" where state.rawValue.hasPrefix("57P"): return .connectionLost
        default: return state == .insufficientPrivilege ? .privilege : .server
        }
    }

    private static func advice(for code: Code) -> String {
        switch code {
        case .connectionLost, .conflict: "nothing is lost: run it again to continue from the target's position"
        case .constraint:
            "fix the row or the constraint on the target, then run it again (clone retry); the batch is rolled back"
        case .privilege: "grant what is missing, then run it again (clone retry); the batch is rolled back"
        default: "fix the cause on the target, then run it again (clone retry); the batch is rolled back"
        }
    }
}

extension ApplyError: CustomStringConvertible, CustomDebugStringConvertible {
    /// One line: where, what, and what to do next.
    public var description: String {
        var place: [String] = []
        if let batch { place.append("batch \(batch)") }
        if let table { place.append("table \(table)") }
        return place.isEmpty ? message : "\(place.joined(separator: ", ")): \(message)"
    }

    /// The line of ``description`` and the server's DETAIL, which may show row values.
    public var debugDescription: String {
        guard let detail = cause?.detail else { return description }
        return "\(description); detail: \(detail)"
    }
}

extension PostgresError {
    /// Takes out of the message what it quotes, where that may be a value: in messages about values (class 22) and in
    /// those that triggers and functions make up (P0). Others quote names.
    fileprivate mutating func hideValues() {
        guard let state = sqlState, state.errorClass == "22" || state.errorClass == "P0" else { return }
        if state.errorClass == "P0" {
            message = "a trigger or function raised an exception, whose text may hold values"
            hint = nil
            return
        }
        // Each language has its own quotation marks; a value may have some of them, too.
        let marks: Set<Character> = ["\"", "'", "«", "»", "„", "“", "”", "‘", "’", "‹", "›", "「", "」"]
        guard let first = message.firstIndex(where: marks.contains), let last = message.lastIndex(where: marks.contains)
        else { return }
        message = message[...first] + "…" + message[last...]
        hint = nil
    }
}
