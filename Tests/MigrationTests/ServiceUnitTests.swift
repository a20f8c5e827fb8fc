import Foundation
import Observability
import Testing
@testable import Migration
@testable import Supervision

/// The package's units against the rule of which codes a restart helps with.
struct ServiceUnitTests {
    @Test(arguments: [
        "packaging/systemd/walrelay-clone@.service", "packaging/systemd/walrelay-receive@.service",
        "packaging/systemd/walrelay-replay@.service", "docs/exit-codes.md",
    ])
    func whatNoRestartHelpsPreventsIt(_ name: String) throws {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let text = try String(contentsOfFile: "\(root)/\(name)", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("RestartPreventExitStatus=") })
        let listed = line.drop { $0 != "=" }.dropFirst().split(separator: " ").compactMap { Int32($0) }
        let permanent = ExitStatus.allCases.map(\.rawValue)
            .filter { !StageFailure(stage: "receive", code: $0).isTransient }
        #expect(listed == permanent, "\(name)")
    }
}
