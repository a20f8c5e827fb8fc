/// A five-character SQLSTATE code, as in PostgreSQL's appendix A.
public struct SQLState: RawRepresentable, Hashable, Sendable {
    /// The five characters.
    public let rawValue: String

    /// The code `rawValue`.
    public init(rawValue: String) {
        self.rawValue = rawValue
    }

    /// The first two characters, which name the class of the error.
    public var errorClass: String {
        String(rawValue.prefix(2))
    }

    /// 42501: the role may not do this.
    public static let insufficientPrivilege = SQLState(rawValue: "42501")
    /// 25006: the session may not write, as on a standby.
    public static let readOnlyTransaction = SQLState(rawValue: "25006")
    /// 42704: no such slot, publication, role or the like.
    public static let undefinedObject = SQLState(rawValue: "42704")
    /// 58P01: the server does not have the file.
    public static let undefinedFile = SQLState(rawValue: "58P01")
    /// 42710: the slot or publication exists already.
    public static let duplicateObject = SQLState(rawValue: "42710")
    /// 55006: the slot, or what else is asked for, is in use by another session.
    public static let objectInUse = SQLState(rawValue: "55006")
    /// 55000: the object is not in a state that allows this (a lost slot, wal_level too low).
    public static let objectNotInPrerequisiteState = SQLState(rawValue: "55000")
    /// 53400: a configured limit is reached (slots, senders).
    public static let configurationLimitExceeded = SQLState(rawValue: "53400")
    /// 42601: the text is no SQL.
    public static let syntaxError = SQLState(rawValue: "42601")
    /// 22021: bytes that are no character of the encoding.
    public static let characterNotInRepertoire = SQLState(rawValue: "22021")
    /// 3D000: no such database.
    public static let invalidCatalogName = SQLState(rawValue: "3D000")
    /// 28P01: wrong password.
    public static let invalidPassword = SQLState(rawValue: "28P01")
    /// 28000: the role may not log in this way.
    public static let invalidAuthorization = SQLState(rawValue: "28000")
    /// 02000: what was looked for is not there.
    public static let noData = SQLState(rawValue: "02000")
    /// 55P03: a lock was not to be had in the time allowed.
    public static let lockNotAvailable = SQLState(rawValue: "55P03")
    /// 2BP01: other objects depend on what is to be dropped.
    public static let dependentObjects = SQLState(rawValue: "2BP01")
    /// 57P01: the session was ended by an administrator or a shutdown.
    public static let adminShutdown = SQLState(rawValue: "57P01")
    /// 57014: the statement was cancelled.
    public static let queryCanceled = SQLState(rawValue: "57014")
    /// 40P01: a deadlock.
    public static let deadlockDetected = SQLState(rawValue: "40P01")
    /// 40001: a serialization failure.
    public static let serializationFailure = SQLState(rawValue: "40001")
    /// 23503: rows without the row that they refer to.
    public static let foreignKeyViolation = SQLState(rawValue: "23503")
}
