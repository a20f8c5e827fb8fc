import Glibc
import Observability

/// Writing to standard output and standard error.
public enum Output {
    /// Writes text as it is. A failed write is ignored: there is no better place to say so.
    public static func write(_ text: String, to descriptor: Int32) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
                if count > 0 {
                    rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                } else if errno != EINTR {
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
        write("\(program): error: \(PlainText.line(line))\n", to: 2)
    }

    /// Writes a line that a person should look at.
    public static func warning(_ message: String, program: String) {
        write("\(program): warning: \(PlainText.line(message))\n", to: 2)
    }
}
