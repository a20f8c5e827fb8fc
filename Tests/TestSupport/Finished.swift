/// What a program left when it ended.
public struct Finished: Sendable {
    /// Exit code or signal.
    public let status: ExitStatus
    /// All bytes of the standard output.
    public let stdout: [UInt8]
    /// The standard error as text.
    public let stderr: String

    /// The exit code; nil when a signal ended the program.
    public var exitCode: Int32? { status.exitCode }
    /// The signal that ended the program; nil when it exited by itself.
    public var signal: Int32? { status.signal }
    /// Whether the exit code is 0.
    public var succeeded: Bool { status.exitCode == 0 }
    /// The standard output as text.
    public var output: String { String(decoding: stdout, as: UTF8.self) }
    /// The lines of the standard output, without a last empty one.
    public var outputLines: [String] { lines(of: output) }

    /// Returns itself when the program succeeded, throws ``ProgramError/failed(_:_:)`` otherwise.
    @discardableResult
    public func checked(_ name: String = "program") throws -> Finished {
        guard succeeded else { throw ProgramError.failed(name, self) }
        return self
    }
}

extension Finished: CustomStringConvertible {
    /// Status and the end of both outputs.
    public var description: String {
        "\(status)\nstandard output:\n\(tail(of: output, lines: 20))\nstandard error:\n\(tail(of: stderr, lines: 40))"
    }
}

/// The lines of a text; a line feed at the end does not make a further line.
func lines(of text: String) -> [String] {
    // By bytes: as characters, a carriage return and a line feed are one that is not equal to the line feed.
    var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map {
        String($0) ?? ""
    }
    if lines.last == "" { lines.removeLast() }
    return lines
}

/// The last lines of a text.
func tail(of text: String, lines count: Int) -> String {
    lines(of: text).suffix(count).joined(separator: "\n")
}
