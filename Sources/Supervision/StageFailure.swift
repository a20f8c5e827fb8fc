import Glibc
import Observability

/// How a stage ended when it should not have.
public struct StageFailure: Sendable, Equatable {
    /// The program.
    public var stage: String
    /// Its exit code, or 128 and the signal that ended it. 0 when it was told to stop by someone else.
    public var code: Int32

    /// Starting the stage again can help: it was killed or stopped, a server was away, or someone had not yet released
    /// what the stage needs. All other codes want a person.
    package var isTransient: Bool {
        if code >= 128 { return true }
        return switch ExitStatus(rawValue: code) {
        case .done, .connection, .slotActive, .positionBusy, .positionMoved, .incomplete: true
        default: false
        }
    }

    /// Something on the target keeps changes from being applied, and none of them is lost by continuing to receive.
    var isBlock: Bool {
        if code >= 128 { return true }
        return switch ExitStatus(rawValue: code) {
        case .usage, .gap, .foreign, .corrupt: false
        default: stage == "replay"
        }
    }

    /// The signal by which stages are told to stop ended it: it came before the program could handle it, so that there
    /// was nothing to finish.
    package var isStop: Bool { code == 128 + SIGTERM }

    /// Which of several stages, in the order in which they were seen to end, failed by itself. A neighbour of one that
    /// died ends too, for want of input or of a reader, and may be seen first.
    ///
    /// - Parameter isEndless: none of them should have ended at all.
    package static func cause(of ends: [StageFailure], isEndless: Bool) -> StageFailure? {
        let failures = isEndless ? ends : ends.filter { $0.code != 0 }
        guard let first = failures.first else { return nil }
        let consequence: ExitStatus? =
            switch first.stage {
            case "transform": .inputOutput
            case "replay": .incomplete
            default: nil
            }
        guard let consequence, first.code == consequence.rawValue else { return first }
        let neighbours: [Int32] = [0, ExitStatus.inputOutput.rawValue, ExitStatus.incomplete.rawValue]
        return failures.dropFirst().first { !neighbours.contains($0.code) || first.stage == "replay" && $0.code != 0 }
            ?? first
    }

    /// The end in words.
    package var words: String {
        switch code {
        case 0: "\(stage) was stopped"
        case 128...: "\(stage) was ended by signal \(code - 128)"
        default: "\(stage) ended with code \(code)"
        }
    }
}
