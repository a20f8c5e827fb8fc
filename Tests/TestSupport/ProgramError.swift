/// Why a program could not be run, or did not do what the test waited for.
public enum ProgramError: Error, Sendable {
    /// No executable of this name in any of the folders that were looked at.
    case notFound(name: String, searched: [String])
    /// The operating system refused to start it.
    case notStarted(String)
    /// It did not end in time. What it had written until then is attached.
    case timedOut(String, after: Duration, stdout: [UInt8], stderr: String)
    /// It ended with a failure.
    case failed(String, Finished)
    /// It did not log the text in time, or ended without.
    case logMissing(text: String, reason: String, stderr: String)
}

extension ProgramError: CustomStringConvertible {
    /// What happened, with the end of what the program had written.
    public var description: String {
        switch self {
        case .notFound(let name, let searched):
            "no executable \(name) in \(searched.joined(separator: ", ")); build it or set WALRELAY_BIN_DIR"
        case .notStarted(let reason):
            reason
        case .timedOut(let name, let limit, let stdout, let stderr):
            """
            \(name) had not ended after \(limit)
            standard output (\(stdout.count) bytes):
            \(tail(of: String(decoding: stdout.suffix(4096), as: UTF8.self), lines: 20))
            standard error:
            \(tail(of: stderr, lines: 40))
            """
        case .failed(let name, let finished):
            "\(name) failed: \(finished)"
        case .logMissing(let text, let reason, let stderr):
            "\(reason) without logging \"\(text)\"; standard error:\n\(tail(of: stderr, lines: 40))"
        }
    }
}
