import Glibc
import Logging
import Postgres
import Spool
import Synchronization
import Threading

/// Writes chunks on a thread of its own, so that status replies never wait behind the disk.
///
/// The capture's thread fills a ``ChunkBuffer``, submits it and takes a free one; when none is free, the disk is slower
/// than the source and the capture stops reading.
final class LogWriter: Sendable {
    /// What the thread is to do.
    enum Command: Sendable {
        /// Write the chunk; its last commit or watermark ends at `position`, if it has one. Beside it, new names of tables.
        case write(ChunkBuffer, position: LSN?, names: [UInt8]?)
        /// Write a compressed chunk of changes, in which no commit and no watermark lies.
        case copy(ChunkBuffer, ChunkSummary)
        /// Make everything durable now.
        case sync
        /// Seal the segment and open the next, which begins at this position.
        case rotate(LSN)
        /// Make everything durable and end; seal the segment if asked.
        case finish(seals: Bool)
    }

    /// Where the chunks go.
    enum Destination: Sendable {
        /// A spool, continuing with the recovered segment if there is one.
        case spool(SpoolDirectory, RecoveredSegment?)
        /// A descriptor that is read by another program.
        case pipe(Int32)
    }

    private let commands: BoundedQueue<Command>
    private let free: BoundedQueue<ChunkBuffer>
    private let wake: WakePipe
    private let destination: Destination
    private let syncIntervalMilliseconds: Int
    private let durable: Atomic<UInt64>
    private let segmentSize = Atomic<UInt64>(0)
    private let wantsBoundary = Atomic<Bool>(false)
    private let rotationsDone = Atomic<Int>(0)
    /// Only the capture's thread asks for rotations.
    nonisolated(unsafe) private var rotationsAsked = 0
    private let bytesWritten = Atomic<UInt64>(0)
    private let failed = Mutex<(any Error)?>(nil)
    private let currentFile = Mutex<String>("")
    private let header: SegmentHeader
    private let isAbandoned = Atomic<Bool>(false)
    private let diskFull = Atomic<Bool>(false)
    private let stop: StopRequest
    private let logger: Logger

    /// Chunks that may wait for the disk, besides the one being filled.
    static let chunksInFlight = 6

    init(
        destination: Destination, header: SegmentHeader, durable: LSN, chunkSize: Int, syncIntervalMilliseconds: Int,
        wake: WakePipe, stop: StopRequest, logger: Logger
    ) {
        self.stop = stop
        self.logger = logger
        self.destination = destination
        self.header = header
        self.wake = wake
        self.syncIntervalMilliseconds = syncIntervalMilliseconds
        self.durable = Atomic(durable.rawValue)
        commands = BoundedQueue(capacity: LogWriter.chunksInFlight + 4)
        free = BoundedQueue(capacity: LogWriter.chunksInFlight)
        for _ in 0..<LogWriter.chunksInFlight { free.push(ChunkBuffer(capacity: chunkSize + chunkSize / 4)) }
    }

    /// Starts the thread.
    func start() throws -> Worker {
        try Worker.launch(name: "log writer") { self.run() }
    }

    /// The end of the last commit or watermark that is on disk.
    var durablePosition: LSN { LSN(rawValue: durable.load(ordering: .acquiring)) }

    /// Bytes in the segment that is being written.
    var segmentBytes: UInt64 { segmentSize.load(ordering: .relaxed) }

    /// It is time to index the segment: a chunk is to end with a commit.
    var isIndexDue: Bool { wantsBoundary.load(ordering: .relaxed) }

    /// Bytes written to disk since the start.
    var totalBytes: UInt64 { bytesWritten.load(ordering: .relaxed) }

    /// True while the thread waits for space on the disk.
    var isDiskFull: Bool { diskFull.load(ordering: .acquiring) }

    /// The file that is being written.
    var fileName: String { currentFile.withLock { $0 } }

    /// The error that ended the thread, if one did.
    func checkFailure() throws {
        if let error = failed.withLock({ $0 }) { throw error }
    }

    /// A buffer to fill; nil when the disk holds all of them.
    func takeBuffer() -> ChunkBuffer? { free.popIfAny() }

    func submit(_ buffer: ChunkBuffer, position: LSN?, names: [UInt8]?) {
        commands.push(.write(buffer, position: position, names: names))
    }
    func submit(frame: ChunkBuffer, _ summary: ChunkSummary) { commands.push(.copy(frame, summary)) }
    func sync() { commands.push(.sync) }
    func rotate(at position: LSN) {
        rotationsAsked += 1
        commands.push(.rotate(position))
    }

    /// True until the thread has opened the segment that was asked for last: till then ``segmentBytes`` is of the old.
    var isRotating: Bool { rotationsDone.load(ordering: .acquiring) < rotationsAsked }

    /// Lets the thread end after what was submitted; wait for it by joining.
    func finish(seals: Bool) {
        commands.push(.finish(seals: seals))
    }

    /// Ends the thread without writing what still waits: nothing of it was acknowledged.
    func abandon() {
        isAbandoned.store(true, ordering: .releasing)
        commands.close()
    }

    private func run() {
        do {
            try work()
        } catch {
            failed.withLock { $0 = error }
        }
        commands.close()
        wake.wake()
    }

    /// The thread's own state.
    struct State {
        fileprivate var segment: SegmentWriter
        /// Nil without a spool.
        fileprivate let names: RelationNamesFile?
        fileprivate var written: LSN
        fileprivate var syncAt = Deadline.never
        fileprivate var hasEnded = false
    }

    private func work() throws {
        var state = try begin()
        while !isAbandoned.load(ordering: .acquiring), !state.hasEnded {
            try perform(commands.pop(until: state.syncAt), &state)
        }
    }

    /// Opens the segment.
    func begin() throws -> State {
        var names: RelationNamesFile?
        if case .spool(let spool, _) = destination { names = try RelationNamesFile(spool) }
        let state = State(segment: try openSegment(), names: names, written: durablePosition)
        publish(state)
        return state
    }

    /// Does the next command on the calling thread, or what its time has come for. False when there is nothing to do.
    func step(_ state: inout State) throws -> Bool {
        if state.hasEnded { return false }
        if let command = commands.popIfAny() {
            try perform(.element(command), &state)
        } else if state.syncAt.hasPassed {
            try perform(.timedOut, &state)
        } else {
            return false
        }
        return true
    }

    private func perform(_ next: BoundedQueue<Command>.Popped, _ state: inout State) throws {
        switch next {
        case .timedOut:
            try makeDurable(&state)
        case .closed:
            state.hasEnded = true
        case .element(.write(let buffer, let position, let names)):
            if let names { try waitingForSpace { try state.names?.append(names) } }
            try write(buffer, position: position, &state) { try $0.append(buffer.bytes) }
        case .element(.copy(let buffer, let summary)):
            try write(buffer, position: nil, &state) { try $0.append(frame: buffer.bytes, summary) }
        case .element(.sync):
            try makeDurable(&state)
        case .element(.rotate(let start)):
            try makeDurable(&state)
            // An empty one stays: its successor would have the same name.
            if !state.segment.isEmpty {
                var sealed = ""
                try waitingForSpace { sealed = try state.segment.seal() }
                try waitingForSpace { state.segment = try nextSegment(after: sealed, start: start) }
                publish(state)
            }
            rotationsDone.add(1, ordering: .releasing)
        case .element(.finish(let seals)):
            try makeDurable(&state)
            if seals && !state.segment.isEmpty { try state.segment.seal() }
            state.hasEnded = true
        }
    }

    /// Commands that wait.
    var commandCount: Int { commands.count }

    private func openSegment() throws -> SegmentWriter {
        switch destination {
        case .spool(let spool, let recovered):
            if let recovered { return try spool.resume(recovered) }
            return try spool.begin(header)
        case .pipe(let descriptor):
            return try SegmentWriter(pipe: descriptor, header: header)
        }
    }

    private func nextSegment(after previous: String, start: LSN) throws -> SegmentWriter {
        guard case .spool(let spool, _) = destination else { return try openSegment() }
        var next = header
        next.start = start
        next.previous = previous
        return try spool.begin(next)
    }

    private func write(
        _ buffer: ChunkBuffer, position: LSN?, _ state: inout State, _ append: (SegmentWriter) throws -> Void
    ) throws {
        let before = state.segment.fileSize
        try waitingForSpace { try append(state.segment) }
        bytesWritten.add(state.segment.fileSize - before, ordering: .relaxed)
        segmentSize.store(state.segment.fileSize, ordering: .relaxed)
        if let position { state.written = position }
        buffer.removeAll()
        free.push(buffer)
        if state.syncAt == .never { state.syncAt = .after(milliseconds: syncIntervalMilliseconds) }
        let isIndexDue = state.segment.isIndexDue
        wantsBoundary.store(isIndexDue, ordering: .relaxed)
        if state.syncAt.hasPassed || isIndexDue && state.segment.isAtBoundary { try makeDurable(&state) }
        // The capture may wait for a free buffer.
        wake.wake()
    }

    /// Repeats a write that found the disk full until there is space again. Nothing was acknowledged of it, and the
    /// writer has taken back what it had written of the chunk.
    private func waitingForSpace(_ write: () throws -> Void) throws {
        while true {
            do {
                try write()
                if diskFull.exchange(false, ordering: .relaxed) { logger.info("the disk has space again: writing on") }
                return
            } catch let error as SpoolError where error.code == .io(errno: ENOSPC) || error.code == .io(errno: EDQUOT) {
                if !diskFull.exchange(true, ordering: .relaxed) {
                    logger.warning("\(error); waiting for space, nothing is lost: the source keeps its WAL")
                    wake.wake()
                }
                guard !stop.isRequested, !isAbandoned.load(ordering: .acquiring) else { throw error }
                _ = Polling.wait(stop.descriptor, until: .after(milliseconds: 500))
            }
        }
    }

    /// The order of these two steps is the promise of the whole log: first on disk, then acknowledged.
    private func makeDurable(_ state: inout State) throws {
        state.syncAt = .never
        guard case .spool = destination else { return }
        try state.names?.sync()
        try state.segment.sync()
        durable.store(state.written.rawValue, ordering: .releasing)
        wake.wake()
        state.segment.saveIndexIfDue()
        wantsBoundary.store(state.segment.isIndexDue, ordering: .relaxed)
    }

    private func publish(_ state: State) {
        segmentSize.store(state.segment.fileSize, ordering: .relaxed)
        currentFile.withLock { $0 = state.segment.fileName }
    }
}
