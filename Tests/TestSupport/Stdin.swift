/// The standard input of a program.
public enum Stdin: Sendable {
    /// Nothing: `/dev/null`.
    case none
    /// These bytes.
    case bytes([UInt8])
    /// This text, as UTF-8.
    case text(String)
    /// The contents of the file at this path. Not a FIFO: opening one would block until it has a writer.
    case file(String)
}
