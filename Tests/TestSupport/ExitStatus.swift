/// How a process ended: by itself with an exit code, or by a signal.
public struct ExitStatus: Sendable, Equatable {
    /// The exit code; nil when a signal ended the process.
    public let exitCode: Int32?
    /// The signal that ended the process; nil when it exited by itself.
    public let signal: Int32?

    /// Takes apart the status word of `waitpid`: the low seven bits are the signal, the next byte the exit code.
    init(raw: Int32) {
        let number = raw & 0x7f
        signal = number == 0 ? nil : number
        exitCode = number == 0 ? (raw >> 8) & 0xff : nil
    }
}

extension ExitStatus: CustomStringConvertible {
    /// For instance `exit code 1` or `signal 9`.
    public var description: String {
        if let signal { return "signal \(signal)" }
        return "exit code \(exitCode ?? 0)"
    }
}
