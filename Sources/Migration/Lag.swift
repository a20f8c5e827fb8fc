import Copying
import Observability

/// How far the target is behind the source.
public struct Lag: Sendable, Equatable {
    /// Bytes of the source's WAL that the target has not passed yet; other databases' are among them.
    public var bytes: UInt64
    /// Seconds for which the target has been behind what the source had then; nil as long as nothing is known.
    public var seconds: Double?

    /// The most that a switchover may begin with.
    public enum Limit: Sendable, Equatable {
        /// Bytes of WAL.
        case bytes(UInt64)
        /// Seconds.
        case seconds(Double)

        /// The limit in words.
        public var words: String {
            switch self {
            case .bytes(let bytes): CloneProgress.size(Int(clamping: bytes))
            case .seconds(let seconds): "\(Figures.tenths(seconds)) s"
            }
        }
    }

    /// Less than the limit is left.
    func isWithin(_ limit: Limit) -> Bool {
        switch limit {
        case .bytes(let most): bytes <= most
        case .seconds(let most): seconds.map { $0 <= most } ?? false
        }
    }

    /// The lag in words.
    public var words: String {
        CloneProgress.size(Int(clamping: bytes)) + (seconds.map { ", \(Figures.tenths($0)) s" } ?? "")
    }
}
