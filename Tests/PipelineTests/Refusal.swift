import Observability
import TestSupport
import Testing

/// Expects that a program refused: its documented code, nothing on standard output, and one line on standard error
/// that begins with its name, says all of `parts` and no password.
func expectRefusal(
    _ finished: Finished, _ status: Observability.ExitStatus, _ program: String, _ parts: String...,
    location: SourceLocation = #_sourceLocation
) {
    #expect(finished.exitCode == status.rawValue, "\(finished)", sourceLocation: location)
    #expect(finished.stdout.isEmpty, "\(finished.output.prefix(300))", sourceLocation: location)
    #expect(finished.stderr.hasPrefix("\(program): error: "), "\(finished.stderr)", sourceLocation: location)
    #expect(finished.stderr.hasSuffix("\n"), "\(finished.stderr)", sourceLocation: location)
    #expect(finished.stderr.filter { $0 == "\n" }.count == 1, "\(finished.stderr)", sourceLocation: location)
    #expect(!finished.stderr.contains(Secret.password), "\(finished.stderr)", sourceLocation: location)
    for part in parts {
        #expect(finished.stderr.contains(part), "\(finished.stderr)", sourceLocation: location)
    }
}

/// A password that every connection string of these tests carries and no message may show.
enum Secret {
    static let password = "s3cr3t-w0rd"

    static func string(_ string: String) -> String { "\(string) password=\(password)" }
}
