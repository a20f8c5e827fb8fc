import Glibc
import Observability
import Synchronization

/// Writing to standard output and standard error.
public enum Output {
    private static let failed = Atomic<Int32>(0)

    /// The `errno` with which writing to standard output failed first; 0 when it has not.
    static var failure: Int32 { failed.load(ordering: .acquiring) }

    /// Writes text as it is. A write to standard output that fails is said when the program ends; for one to standard
    /// error there is no better place.
    public static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
                    if descriptor == 1 { failed.store(errno, ordering: .releasing) }
                    return
                }
            }
        }
    }

    /// Writes a line to standard output, or several, without what could steer a terminal.
    public static func line(_ text: String) {
        write(PlainText.lines(text) + "\n", to: 1)
    }

    /// Writes the one line that says why a program fails.
    public static func error(_ message: String, program: String) {
        let line = message.split(whereSeparator: \.isNewline).joined(separator: " ")
        write("\(program): error: \(PlainText.line(Secrets.hidden(in: line)))\n", to: 2)
    }

    /// Writes a line that a person should look at.
    public static func warning(_ message: String, program: String) {
        write("\(program): warning: \(PlainText.line(message))\n", to: 2)
    }
}
