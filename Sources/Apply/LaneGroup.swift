import Batches
import Failpoints
import Logging
import Postgres
import Threading

/// Several connections that apply a batch together, each the statements of one lane in a transaction of its own, with
/// a row of its own for its position (docs/batch-format.md, "Lanes").
///
/// Nothing is committed before all lanes have done everything. Then the first lane, which has the stream's own position,
/// is committed last: so that position never says more than is true, and a lane whose row is ahead of it has its share
/// of what follows.
final class LaneGroup {
    let count: Int
    private let lanes: [Lane]
    private let minChanges: Int
    private let logger: Logger
    private var encoding = ""
    /// The lanes beside the first that take part in the open batch.
    private var begun: Set<Int> = []
    private var header: BatchHeader?
    /// What moves the positions in the open batch.
    private var sql: ProgressSQL?
    /// Some lanes of the last batch may be committed without the first.
    private var mayBeAhead = false
    /// How many batches are applied on one connection after lanes got into each other's way; it grows while they do.
    private var pauseLength = 1
    private var pause = 0

    /// Lanes for `target`; the first one uses the link `first`.
    init(
        _ target: ConnectionString, first: TargetLink, options: ApplyOptions, stop: StopRequest?, logger: Logger
    ) throws(ApplyError) {
        count = options.jobs
        minChanges = options.jobsMinChanges
        self.logger = logger
        var lanes: [Lane] = []
        for number in 0..<options.jobs {
            let link = number == 0 ? first : TargetLink(target, options: options, stop: stop, logger: logger)
            lanes.append(try Lane(link, number: number, options: options, logger: logger))
        }
        self.lanes = lanes
    }

    deinit {
        for lane in lanes { lane.end() }
    }

    /// Opens the connections, and makes the lanes' rows beside the first's, which is where all of them are.
    func open(encoding: String, tool: String) throws(ApplyError) {
        self.encoding = encoding
        try openLinks()
        try lanes[0].link.position?.setLanes(count, tool: tool)
    }

    private func openLinks() throws(ApplyError) {
        for number in 1..<count where !lanes[number].link.isOpen { try lanes[number].link.open(encoding: encoding) }
    }

    /// Removes the lanes' rows, which say nothing any more once all lanes are at one position. Where that is not
    /// possible they stay, and do no harm.
    func retire(tool: String) {
        close()
        guard !mayBeAhead, let position = lanes[0].link.position else { return }
        do throws(ApplyError) {
            try position.setLanes(1, tool: tool)
        } catch {
            logger.debug("the rows of the lanes stay", metadata: ["because": "\(error)"])
        }
    }

    /// Closes the connections of all lanes but the first.
    func close() {
        for lane in lanes.dropFirst() { lane.link.close() }
    }

    /// True when the batch is to be applied by several lanes.
    func wants(_ header: BatchHeader) -> Bool {
        if let changes = header.changes, changes < minChanges { return false }
        if pause > 0 {
            pause -= 1
            return false
        }
        return true
    }

    /// Begins a batch.
    func begin(_ header: BatchHeader) throws(ApplyError) {
        try openLinks()
        self.header = header
        begun = []
        guard let position = lanes[0].link.position else { return }
        try position.checkTimeline(header.range)
        sql = position.sql
        lanes[0].begin(
            batch: header.range,
            position: header.to.map { position.sql.move(from: header.from, to: $0, committedAt: header.committedAt) }
                ?? position.sql.hold(at: header.from))
    }

    /// Hands events to their lane.
    func take(_ part: EventPart) {
        guard let header else { return }
        if part.lane > 0, begun.insert(part.lane).inserted {
            lanes[part.lane].begin(batch: header.range, position: nil)
        }
        lanes[part.lane].take(part)
    }

    /// Commits the batch, which takes all lanes to `end`. Returns what it did.
    ///
    /// - Throws: what a lane failed with. As long as none is committed, ``abandon()`` undoes all; after that, some lanes
    ///   may have their share.
    func commit(_ end: LSN) throws(ApplyError) -> (rows: Int, bytes: Int) {
        guard let header, let sql else { return (0, 0) }
        let time = header.committedAt
        lanes[0].settle(
            move: header.to == nil ? sql.move(from: header.from, to: end, committedAt: time) : nil,
            check: sql.check(isAt: end))
        for number in begun {
            lanes[number].settle(
                move: sql.advance(lane: number, from: header.from, to: end, committedAt: time),
                check: sql.check(lane: number, isAt: end))
        }
        try wait([0] + begun.sorted())
        mayBeAhead = true
        for number in begun { lanes[number].commit() }
        Failpoint.duringLaneCommits.reach()
        try wait(begun.sorted())
        Failpoint.betweenLaneCommits.reach()
        lanes[0].commit()
        try wait([0])
        mayBeAhead = false
        lanes[0].link.position?.moved(to: end)
        let counts = ([0] + begun).map { lanes[$0].lastCounts }
        self.header = nil
        begun = []
        pauseLength = 1
        return (counts.reduce(0) { $0 + $1.rows }, counts.reduce(0) { $0 + $1.bytes })
    }

    private func wait(_ numbers: [Int]) throws(ApplyError) {
        // All answers are waited for. A lost connection counts most: what the others say follows from it.
        let failures = numbers.compactMap { lanes[$0].wait() }
        if let failure = failures.first(where: { $0.code == .connectionLost }) ?? failures.first { throw failure }
    }

    /// Undoes what is not committed.
    func abandon() {
        guard header != nil else { return }
        let open = [0] + begun.sorted()
        for number in open { lanes[number].rollback() }
        for number in open { _ = lanes[number].wait() }
        header = nil
        begun = []
    }

    /// The lanes got into each other's way: the next batches are applied on one connection.
    func yield() {
        pause = pauseLength
        pauseLength = min(pauseLength * 2, 64)
    }
}
