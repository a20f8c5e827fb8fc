import Batches

/// The statements of the batch that is being applied, kept until its commit, so that they can be sent again on another
/// connection. Of a batch beyond the limit nothing is kept.
struct BatchRecorder {
    /// So many bytes are kept.
    static let bytesMax = 64 << 20
    /// Parts have about this size, in bytes.
    private static let partBytes = 256 << 10
    private static let spareMax = 64

    /// What is being filled, by lane.
    private var filling: [EventPart?] = [nil]
    private var parts: [EventPart] = []
    /// Parts of earlier batches, for their memory.
    private var spare: [EventPart] = []
    private var byteCount = 0
    /// Lanes depend on one another: from here on everything is one lane's.
    private var isTogether = false
    /// Everything since the batch's begin is here.
    private(set) var isComplete = true

    /// Forgets the last batch, and expects one of so many lanes.
    mutating func begin(lanes: Int = 1) {
        filling = Array(repeating: nil, count: lanes)
        spare.append(contentsOf: parts.prefix(max(0, BatchRecorder.spareMax - spare.count)))
        parts.removeAll(keepingCapacity: parts.capacity <= 1 << 10)
        byteCount = 0
        isTogether = lanes == 1
        isComplete = true
    }

    /// Keeps an event; others than those that change rows are ignored. Returns the lane's part when it is full.
    mutating func append(_ event: BatchEvent, lane: Int = 0) -> EventPart? {
        guard isComplete || !isTogether else { return nil }
        let lane = isTogether ? 0 : lane
        let part = filling[lane] ?? newPart(lane)
        filling[lane] = part
        part.append(event)
        guard part.byteCount >= BatchRecorder.partBytes else { return nil }
        filling[lane] = nil
        keep(part)
        return part
    }

    private mutating func newPart(_ lane: Int) -> EventPart {
        // Nobody else has a part of a batch that is over.
        while let part = spare.popLast() {
            if part.reuse(lane: lane, capacityMax: 4 * BatchRecorder.partBytes) { return part }
        }
        return EventPart(lane: lane)
    }

    /// Closes the parts that are being filled, and returns them.
    mutating func seal() -> [EventPart] {
        let rest = filling.compactMap { $0 }
        for lane in filling.indices { filling[lane] = nil }
        for part in rest { keep(part) }
        return rest
    }

    /// What follows depends on what came before in other lanes.
    mutating func barrier() {
        guard !isTogether else { return }
        _ = seal()
        sort()
        isTogether = true
    }

    private mutating func keep(_ part: EventPart) {
        guard isComplete else { return }
        byteCount += part.byteCount
        if byteCount > BatchRecorder.bytesMax {
            parts = []
            isComplete = false
        } else {
            parts.append(part)
        }
    }

    /// A line of one of the COPYs, both counted from 1; nil where it is not kept.
    mutating func line(_ number: Int, ofCopy copy: Int) -> [UInt8]? {
        _ = seal()
        var search = EventPart.CopyLine(number: number, copy: copy)
        for part in parts { part.look(for: &search) }
        return search.line
    }

    /// The first lane has the batch's BEGIN; among the others the order is free.
    private mutating func sort() {
        let lanes = Set(parts.map(\.lane)).sorted()
        parts = lanes.flatMap { lane in parts.filter { $0.lane == lane } }
    }

    /// Gives the events once more, in an order in which one connection can apply them.
    mutating func replay(_ body: (BatchEvent) throws(ApplyError) -> Void) throws(ApplyError) {
        _ = seal()
        if !isTogether { sort() }
        isTogether = true
        for part in parts { try part.replay(body) }
    }
}
