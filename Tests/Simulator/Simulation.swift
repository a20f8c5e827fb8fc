import Glibc
import Spool
import TestSupport
import Threading

/// What a history is.
public struct HistoryOptions: Sendable {
    /// Everything follows from it.
    public var seed: UInt64
    /// The target moves the position with an abort, too, as PostgreSQL 16 and newer do with replication origins.
    public var abortMovesPosition = false
    /// The disk says that it has synced, and has not.
    public var syncLies = false
    /// A sync may fail, and what it should have written is gone from then on, though the kernel shows it.
    public var syncFails = false
    /// What happens is written down.
    public var tells = false

    /// The history of a seed.
    public init(seed: UInt64) {
        self.seed = seed
    }
}

/// How a history ended.
public struct HistoryResult: Sendable {
    /// What must not happen, and did; nil when all was well.
    public var failure: String?
    /// A number for the whole course of it.
    public var digest: UInt64
    /// What happened in it.
    public var counts: HistoryCounts
    /// What happened, in words, if that was asked for.
    public var story: [String]
}

/// Runs histories in a folder of its own, each from nothing.
public final class Simulation {
    private let folder: String
    private var number = 0

    /// Makes a folder, in memory where there is such a place.
    ///
    /// - Throws: when there is no room for one.
    public init() throws {
        let place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
        var template = Array("\(place)/walrelay-simulation-XXXXXX\0".utf8CString)
        guard let made = mkdtemp(&template) else { throw HistoryFailure("cannot make a folder in \(place)") }
        folder = String(cString: made)
    }

    deinit {
        remove(folder)
    }

    private func remove(_ path: String) {
        for name in (try? FileSystem.list(path)) ?? [] {
            let inner = path + "/" + name
            if FileSystem.isDirectory(inner) { remove(inner) } else { Glibc.unlink(inner) }
        }
        rmdir(path)
    }

    /// Runs one history.
    public func run(_ options: HistoryOptions) -> HistoryResult {
        number += 1
        let path = "\(folder)/\(number)"
        defer { remove(path) }
        var history: History?
        var failure: String?
        do {
            let made = try History(options, folder: path)
            history = made
            try made.clock.run { try DiskInUse.run(on: made.disk) { try made.run() } }
        } catch {
            failure = "\(error)"
        }
        return HistoryResult(
            failure: failure, digest: history?.digest ?? 0, counts: history?.counts ?? HistoryCounts(),
            story: history?.story ?? [])
    }
}
