/// The two servers that all tests of a process may share.
public enum SharedRole: String, Sendable {
    /// The one changes come from.
    case source
    /// The one changes go to.
    case target
}
