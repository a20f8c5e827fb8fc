import Logging
import Postgres
import Threading

/// Notices a connection over which nothing comes any more, though TCP keeps it: a proxy or firewall swallows. An idle source
/// answers when it is asked.
///
/// Knows no clock and no socket: it is told what was heard and what the time is, and says what to do.
struct SilenceWatch {
    /// What to do.
    enum Step: Equatable {
        case nothing
        /// Ask the source for an answer.
        case ask
        /// Say that no answer has come.
        case warn
        /// Take the connection for lost.
        case giveUp
    }

    /// An answer that takes longer is worth a line.
    private static let patienceMilliseconds = 10_000

    private let limitMilliseconds: Int
    private var heardAt: Deadline
    private var askedAt: Deadline?
    private var hasWarned = false

    /// - Parameter limitSeconds: of silence until the source is asked, and again until the connection is given up; 0 for
    ///   never.
    init(limitSeconds: Int, now: Deadline) {
        limitMilliseconds = limitSeconds * 1_000
        heardAt = now
    }

    /// Something came, or nobody was listening.
    mutating func heard(_ now: Deadline) {
        heardAt = now
        askedAt = nil
        hasWarned = false
    }

    /// When there is something to do next, if nothing comes.
    var nextLook: Deadline {
        guard limitMilliseconds > 0 else { return .never }
        guard let askedAt else { return heardAt + limitMilliseconds }
        return askedAt + (hasWarned ? limitMilliseconds : patience)
    }

    /// What to do now.
    mutating func step(_ now: Deadline) -> Step {
        guard now >= nextLook else { return .nothing }
        if askedAt == nil {
            askedAt = now
            return .ask
        }
        guard hasWarned else {
            hasWarned = true
            return .warn
        }
        return .giveUp
    }

    private var patience: Int { min(Self.patienceMilliseconds, limitMilliseconds / 2) }
}

extension Capture {
    /// Asks a source that is silent for an answer, and gives the connection up when none comes.
    ///
    /// - Throws: ``PostgresError`` with `connectionLost`.
    func checkSilence(_ stream: some ChangeStream) throws {
        let now = Deadline.now
        guard now >= silence.nextLook else { return }
        // What has come may not have been read yet, after a sleep of the whole machine.
        guard !Polling.wait(stream.socket, until: .now).first else { return silence.heard(now) }
        switch silence.step(now) {
        case .nothing: break
        case .ask: try sendStatus(stream, replyRequested: true)
        case .warn:
            logger.warning(
                "the source has sent nothing for \(options.silenceLimit) s, and does not answer; waiting for it")
        case .giveUp:
            throw PostgresError(
                .connectionLost,
                "the source has not answered for \(options.silenceLimit) s, though the connection stands: something "
                    + "between here and there swallows what is sent", doing: "receiving")
        }
    }
}
