import Copying
import Glibc
import Observability
import Spool

/// What a switchover wants of the clone that follows: `state/switchover.json` in the spool, which only its owner may write.
/// It counts for as long as the process that wrote it holds the lock of a switchover.
struct SwitchoverRequest: Codable, Sendable, Equatable {
    enum Wish: String, Codable, Sendable {
        /// Continues to apply changes, and leaves the fence to the switchover.
        case stay
        /// Ends its stages, and waits for how the switchover goes.
        case rest
    }

    /// Tells it from that of another switchover.
    let id: String
    /// The process that makes the switchover.
    let pid: pid_t
    var wish: Wish

    private static let file = "switchover.json"

    /// The wish of this process.
    init(_ wish: Wish) {
        id = String(UInt64.random(in: .min ... .max), radix: 36)
        pid = getpid()
        self.wish = wish
    }

    static func isThere(_ spool: SpoolDirectory) -> Bool { FileSystem.exists(spool.statePath + "/" + file) }

    /// Nil when there is none.
    static func read(_ spool: SpoolDirectory) throws -> SwitchoverRequest? {
        try Self.read(file, "the request of a switchover", spool)
    }

    /// Makes this the request. It needs to outlive no crash of the machine, for which nobody shall wait behind a fence.
    func write(_ spool: SpoolDirectory) throws {
        try Self.write(self, SwitchoverRequest.file, spool)
    }

    /// Takes the request away, if it is there.
    static func remove(_ spool: SpoolDirectory) {
        unlink(spool.statePath + "/" + file)
    }

    fileprivate static func read<Value: Decodable>(_ name: String, _ what: String, _ spool: SpoolDirectory) throws
        -> Value?
    {
        let bytes: [UInt8]
        do {
            guard let found = try spool.state(name) else { return nil }
            bytes = found
        } catch {
            // It may be taken away between two looks.
            guard FileSystem.exists(spool.statePath + "/" + name) else { return nil }
            throw error
        }
        return try bytes.withUnsafeBytes { try JSON.decode($0, what: what, file: spool.statePath + "/" + name) }
    }

    fileprivate static func write(_ value: some Encodable, _ name: String, _ spool: SpoolDirectory) throws {
        let path = spool.statePath + "/" + name
        guard StatusFile(path).replace(JSON.encode(value) + [0x0A]) else {
            throw ProgramFailure(.inputOutput, "\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
    }
}

/// What the clone that follows says to a request: `state/follower.json`.
struct SwitchoverAnswer: Codable, Sendable, Equatable {
    enum State: String, Codable, Sendable {
        /// Changes are applied.
        case following
        /// No stage runs, and none is started before it is known how the switchover went.
        case resting
    }

    /// The request that is answered.
    var request: String
    var pid = getpid()
    var state: State
    /// Why nothing is applied, if that is so.
    var blocked: ProgressSnapshot.Blocked?

    private static let file = "follower.json"

    /// The answer to a request; nil when there is none yet.
    static func read(to request: SwitchoverRequest, _ spool: SpoolDirectory) throws -> SwitchoverAnswer? {
        let answer: SwitchoverAnswer? = try SwitchoverRequest.read(file, "the answer of the clone that follows", spool)
        return answer?.request == request.id ? answer : nil
    }

    func write(_ spool: SpoolDirectory) throws {
        try SwitchoverRequest.write(self, SwitchoverAnswer.file, spool)
    }
}
