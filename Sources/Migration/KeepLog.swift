/// How much of the log stays that the target has. It is evidence of what was done, and where a target that was put back to an
/// earlier state gets its changes from.
public enum KeepLog: Sendable, Equatable {
    /// Everything, until the disk is short of space; then the oldest goes.
    case untilShort
    /// Everything, also then.
    case all
    /// So many bytes of sealed segments, as long as the disk is not short of space.
    case bytes(UInt64)
    /// What was sealed in the last so many seconds, as long as the disk is not short of space.
    case seconds(Int)

    /// What `receive` is told.
    var arguments: [String] {
        let always = ["--start", "--prune", "--prune-when-short"]
        return switch self {
        case .all: []
        case .untilShort: always
        case .bytes(let bytes): always + ["--prune-over", "\(bytes)"]
        case .seconds(let seconds): always + ["--prune-older-than", "\(seconds)"]
        }
    }
}

// As the journal has it.
extension KeepLog: Codable {
    private enum Key: String, CodingKey {
        case all, bytes, seconds
    }

    /// Reads it from a journal.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        if try values.decodeIfPresent(Bool.self, forKey: .all) == true {
            self = .all
        } else if let bytes = try values.decodeIfPresent(UInt64.self, forKey: .bytes) {
            self = .bytes(bytes)
        } else if let seconds = try values.decodeIfPresent(Int.self, forKey: .seconds) {
            self = .seconds(seconds)
        } else {
            self = .untilShort
        }
    }

    /// Writes it to a journal.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        switch self {
        case .untilShort: break
        case .all: try values.encode(true, forKey: .all)
        case .bytes(let bytes): try values.encode(bytes, forKey: .bytes)
        case .seconds(let seconds): try values.encode(seconds, forKey: .seconds)
        }
    }
}
