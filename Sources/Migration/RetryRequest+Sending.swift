import Copying
import Observability
import Spool
import Supervision

extension RetryRequest {
    /// How it was taken.
    public enum Outcome: Sendable {
        /// The clone tries again now.
        case asked(ProgressSnapshot.Blocked)
        /// There is nothing to try again.
        case notBlocked
    }

    /// Asks the clone that follows with this spool.
    ///
    /// - Throws: ``ProgramFailure`` when none does.
    public static func send(_ path: String) throws -> Outcome {
        let spool = try SpoolDirectory(path).inPresentDirection()
        guard let status = try MigrationStatus(spool) else {
            throw ProgramFailure(.inputOutput, "\(path) holds no journal of a clone; name its folder with --dir")
        }
        guard status.running else {
            throw ProgramFailure(
                .conflict, "no clone works with \(path): run the same clone --follow again, which tries again, too")
        }
        guard let blocked = status.progress?.blocked else { return .notBlocked }
        try spool.replaceState(file, with: [0x0A])
        return .asked(blocked)
    }
}
