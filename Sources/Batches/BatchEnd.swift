import Postgres

/// The last line of a stream: its end position was reached.
public struct BatchEnd: Codable, Sendable, Equatable {
    /// The position that the stream is complete up to.
    public var to: LSN
    /// Why the stream ended, such as `endpos`.
    public var reason: String

    /// An end at the given position.
    public init(to: LSN, reason: String) {
        self.to = to
        self.reason = reason
    }

    func write(to text: TextBuffer) {
        text.append("-- walrelay end {")
        text.appendJSON(key: "to", to)
        text.append(",")
        text.appendJSON(key: "reason", reason)
        text.append("}\n")
    }
}
