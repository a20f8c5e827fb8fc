import Postgres
import Testing
import Threading

/// What a replication stream gave, in order.
struct StreamLog {
    /// The first letters of the messages.
    var kinds: [Character] = []
    /// Their positions.
    var positions: [LSN] = []
    /// How many keepalives came.
    var keepalives = 0
    /// The position of the last keepalive.
    var walEnd = LSN.zero
    /// The server ended the stream.
    var isEnded = false

    /// Reads until `isEnough`, answering keepalives that want an answer with no progress.
    mutating func read(_ stream: ReplicationStream, until isEnough: (StreamLog) -> Bool) throws {
        let deadline = Deadline.after(milliseconds: 20_000)
        while !isEnough(self) {
            switch try stream.next() {
            case .data(let walStart, _, let payload):
                kinds.append(Character(Unicode.Scalar(payload.first ?? 0)))
                positions.append(walStart)
            case .keepalive(let end, let time, _):
                keepalives += 1
                walEnd = end
                #expect(time > Timestamp(rawValue: 0))
            case .ended:
                isEnded = true
                if !isEnough(self) { throw Ended() }
            case .nothing:
                try #require(!deadline.hasPassed, "nothing more comes")
                if Polling.wait(stream.socket, until: deadline).first { try stream.readSocket() }
            }
        }
    }

    /// The stream ended before it gave what was wanted.
    struct Ended: Error {}
}
