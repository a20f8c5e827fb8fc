/// How a process ended: by itself with an exit code, or by a signal.
public struct ExitStatus: Sendable, Equatable {
    /// The exit code; nil when a signal ended the process.
    public let exitCode: Int32?
    /// The signal that ended the process; nil when it exited by itself.
    public let signal: Int32?

    init(exitCode: Int32) {
        self.exitCode = exitCode
        signal = nil
    }

    init(signal: Int32) {
        exitCode = nil
        self.signal = signal
    }
}

extension ExitStatus: CustomStringConvertible {
    /// For instance `exit code 1` or `signal 9`.
    public var description: String {
        if let signal { return "signal \(signal)" }
        return "exit code \(exitCode ?? 0)"
    }
}
