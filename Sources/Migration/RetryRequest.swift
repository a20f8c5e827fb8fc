import Glibc
import Observability
import Spool

/// Has a clone that cannot apply try again: a file in the spool's state, which the clone that follows takes away.
public enum RetryRequest {
    /// Without being asked, it tries again after so long.
    static let intervalMilliseconds = 60_000

    private static let file = "retry"

    /// How it was taken.
    public enum Outcome: Sendable {
        /// The clone tries again now.
        case asked(ProgressSnapshot.Blocked)
        /// There is nothing to try again.
        case notBlocked
    }

    /// Asks the clone that follows with this spool.
    ///
    /// - Throws: ``MigrationError`` when none does.
    public static func send(_ path: String) throws -> Outcome {
        let spool = try SpoolDirectory(path).inPresentDirection()
        guard let status = try MigrationStatus(spool) else {
            throw MigrationError(.inputOutput, "\(path) holds no journal of a clone; name its folder with --dir")
        }
        guard status.running else {
            throw MigrationError(
                .conflict, "no clone works with \(path): run the same clone --follow again, which tries again, too")
        }
        guard let blocked = status.progress?.blocked else { return .notBlocked }
        try spool.replaceState(file, with: [0x0A])
        return .asked(blocked)
    }

    /// Takes the request away. True when there was one.
    @discardableResult
    static func clear(_ path: String) -> Bool {
        unlink(SpoolDirectory(path).statePath + "/" + file) == 0
    }

    /// The report about the statement that was refused last.
    static func newestReport(_ path: String) -> String? {
        let folder = SpoolDirectory(path).statePath
        let names = ((try? FileSystem.list(folder)) ?? []).filter {
            $0.hasPrefix("replay-failure-") && $0.hasSuffix(".sql")
        }
        return names.map { folder + "/" + $0 }.max { written($0) < written($1) }
    }

    private static func written(_ path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mtim.tv_sec * 1_000 + status.st_mtim.tv_nsec / 1_000_000 : 0
    }
}
