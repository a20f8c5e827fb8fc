import Batches
import Capture
import Glibc
import Postgres
import Spool
import TestSupport
import Threading

/// One history: a source, the real stages up to the text, a target, and what goes wrong meanwhile. Everything follows
/// from the seed.
final class History {
    /// The log's machine went down, or the programs that read the log were killed.
    struct Interrupted: Error {}
    /// The pipeline ends by itself, and is started again.
    struct Restart: Error {}

    enum Death {
        case kill
        case machine
    }

    private(set) var spool: SpoolDirectory
    let source: ModelSource
    let target: TargetModel
    let disk: SimulatedDisk
    let clock = VirtualTime()
    var counts = HistoryCounts()
    var readers: TransformStage?
    let options: HistoryOptions
    var random: SeededRandom
    var receive: ReceiveStage?
    var receiveStartsAt = 0
    var death = Death.kill
    var ticks = 0
    var roomComesAt = 0
    /// Nothing goes wrong any more; what is left comes to its end.
    var isCalm = false
    let troubleEnds: Int
    let segmentSize: UInt64
    let streaming: Bool
    private let order: BatchPreamble.Order
    private let maxChanges: Int
    private let maxBytes: Int
    /// One of so many ticks brings each kind of trouble.
    let calmness: Int
    private var trace = UInt64(0)
    /// Positions that the target had at some time.
    private var positions: [LSN] = []
    /// What happened, for who repeats a history.
    private(set) var story: [String] = []

    init(_ options: HistoryOptions, folder: String) throws {
        self.options = options
        random = SeededRandom(seed: options.seed)
        let wal = SourceLog(
            transactions: 6 + Int(random.next() % 34), random: SeededRandom(seed: random.next()))
        source = ModelSource(wal, &random)
        disk = SimulatedDisk(path: folder, random: SeededRandom(seed: random.next()))
        let path = folder + "/"
        target = TargetModel(abortMovesPosition: options.abortMovesPosition)
        spool = SpoolDirectory(folder)
        spool.indexStep = [100, 1_000, 1 << 20][Int(options.seed % 3)]
        segmentSize = [600, 3_000, 20_000, 1 << 30][Int(random.next() % 4)]
        streaming = random.next() % 4 != 0
        order = random.next() % 4 == 0 ? .source : .net
        maxChanges = [1, 4, 15, 200_000][Int(random.next() % 4)]
        maxBytes = [400, 3_000, 16 << 20, 16 << 20][Int(random.next() % 4)]
        calmness = [60, 150, 400, 1_500][Int(random.next() % 4)]
        troubleEnds = 100 + Int(random.next() % 600)
        target.committed = { [unowned self] state in try verify(state) }
        if options.tells {
            disk.tell = { [unowned self] in
                tell("disk: " + $0.split(separator: path, omittingEmptySubsequences: false).joined())
            }
            source.tell = { [unowned self] in tell($0) }
            target.tell = { [unowned self] in tell($0) }
        }
        clock.onWait = { [unowned self] in waited() }
    }

    func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    func chance(_ one: Int) -> Bool { random.next() % UInt64(one) == 0 }
    func trouble(_ often: Int = 1) -> Bool { !isCalm && chance(calmness * often) }

    func tell(_ what: @autoclosure () -> String) {
        if options.tells { story.append("\(ticks): \(what())") }
    }

    /// What the history was, as a number: the same seed must give the same.
    var digest: UInt64 { trace }

    func renderOptions(from position: LSN?) -> RenderOptions {
        RenderOptions(
            order: order, stream: "sim", maxChanges: maxChanges, maxBytes: maxBytes,
            from: position ?? LSN(rawValue: SourceLog.start), tool: "simulated")
    }

    /// Where a stream begins for a target at `position`: there, or some way before it, as batch files may.
    func beginning(before position: LSN?) -> LSN? {
        guard let position, chance(3) else { return position }
        let earlier = positions.filter { $0 < position }
        return earlier.isEmpty ? nil : earlier[below(earlier.count)]
    }

    /// Runs until the target has everything.
    func run() throws {
        try prepare()
        var usesPsql = chance(2)
        var begun = 0
        while true {
            begun += 1
            guard begun < 2_000 else { throw HistoryFailure("the pipeline was started \(begun) times") }
            do {
                tell("start \(usesPsql ? "psql" : "replay")")
                try tick()
                if try usesPsql ? PsqlStage(self).run() : ReplayStage(self).run(), try isDone() { break }
                usesPsql = chance(2)
            } catch is Interrupted {
                target.loseSession()
            } catch is TargetModel.SessionLost {
                tell("the session is lost")
            } catch is Restart {
            } catch let refusal as Refusal {
                guard case .unique = refusal, usesPsql else { throw HistoryFailure("the target refuses: \(refusal)") }
                // Net changes can collide, and psql cannot take them from the log in another order.
                counts.refusals += 1
                usesPsql = false
                continue
            }
            usesPsql = chance(2)
        }
        try conclude()
    }

    private func prepare() throws {
        for folder in [spool.path, spool.segmentsPath, spool.statePath, spool.path + "/streams"] {
            try disk.makeDirectory(folder)
        }
        // The name of a log is random: with one of its own the seed says everything.
        var identity = SpoolIdentity(systemIdentifier: "7400000000000000001", database: "shop", slot: "sim")
        identity.logID = "00000000000000000000000000000001"
        try FileSystem.replace(spool.path + "/spool.json", with: JSON.encode(identity), in: spool.path)
        disk.liesAboutSync = options.syncLies
    }

    private func isDone() throws -> Bool {
        guard let end = target.state.progress?.position else { return false }
        return source.isAtEnd && end >= source.position
    }

    /// The position and all rows are where the source is.
    private func verify(_ state: TargetState) throws {
        guard let position = state.progress?.position else { return }
        counts.batches += 1
        trace = (trace ^ position.rawValue) &* 0x0000_0100_0000_01B3 &+ UInt64(ticks)
        positions.append(position)
        let wanted = source.log.digests(at: position)
        let found = state.digests()
        for (table, model) in ModelTable.all.enumerated() where wanted[table] != found[table] {
            throw HistoryFailure(
                "at \(position) the table \(model.name) is not what the source had there; the target has "
                    + "\(state.tables[table])")
        }
    }

    private func conclude() throws {
        try verify(target.state)
        for (table, rows) in source.log.rows.all.enumerated() {
            let found = target.state.tables[table]
            guard rows.map({ "\($0)" }).sorted() == found.map({ "\($0)" }).sorted() else {
                throw HistoryFailure("the table \(ModelTable.all[table].name) differs at the end")
            }
        }
        guard source.confirmed == source.position || receive?.isComplete != true else {
            throw HistoryFailure("the source was told \(source.confirmed), and the log has \(source.position)")
        }
        counts.segments += try spool.segments().count { !$0.isPartial }
        counts.transactions += source.log.commits.count
        counts.streamed += source.streamed
        counts.abortedParts += source.abortedParts
        counts.add(disk.counts)
        counts.add(target.counts)
        counts.histories = 1
    }
}
