import Batches

/// Events of a batch that change rows, copied out of the reader's buffer. All belong to one lane.
final class EventPart: @unchecked Sendable {
    private enum Kind {
        case statement
        case copy
        case copyData
        case copyEnd
    }

    private(set) var lane: Int
    private var bytes: [UInt8] = []
    private var frames: [(kind: Kind, range: Range<Int>, rows: Int?)] = []

    init(lane: Int) {
        self.lane = lane
    }

    /// Forgets its events, to be filled again for `lane`; false when its memory is better given back.
    func reuse(lane: Int, capacityMax: Int) -> Bool {
        guard bytes.capacity <= capacityMax else { return false }
        self.lane = lane
        bytes.removeAll(keepingCapacity: true)
        frames.removeAll(keepingCapacity: true)
        return true
    }

    /// The length of what the events say, in bytes.
    var byteCount: Int { bytes.count }

    /// Keeps an event; others than those that change rows are ignored.
    func append(_ event: BatchEvent) {
        switch event {
        case .statement(let sql, let rows): append(.statement, sql, rows)
        case .copy(let sql, let rows): append(.copy, sql, rows)
        case .copyData(let data): append(.copyData, data, nil)
        case .copyEnd: append(.copyEnd, UnsafeRawBufferPointer(start: nil, count: 0), nil)
        default: break
        }
    }

    private func append(_ kind: Kind, _ data: UnsafeRawBufferPointer, _ rows: Int?) {
        let start = bytes.count
        bytes.append(contentsOf: data)
        frames.append((kind, start..<bytes.count, rows))
    }

    /// Gives the events once more.
    func replay(_ body: (BatchEvent) throws(ApplyError) -> Void) throws(ApplyError) {
        let bytes = bytes
        try bytes.span.withUnsafeBytes { all throws(ApplyError) in
            for frame in frames {
                let data = UnsafeRawBufferPointer(rebasing: all[frame.range])
                switch frame.kind {
                case .statement: try body(.statement(data, expectedRows: frame.rows))
                case .copy: try body(.copy(data, expectedRows: frame.rows))
                case .copyData: try body(.copyData(data))
                case .copyEnd: try body(.copyEnd)
                }
            }
        }
    }

    /// A line of one COPY that is looked for, part by part; all are counted from 1.
    struct CopyLine {
        private let number: Int
        private var copies: Int
        private var rest = 0
        private(set) var line: [UInt8]?

        init(number: Int, copy: Int) {
            self.number = number
            copies = copy
        }

        fileprivate mutating func begin() {
            copies -= 1
            rest = copies == 0 ? number : 0
        }

        fileprivate mutating func look(at data: ArraySlice<UInt8>) {
            var data = data
            while rest > 0, !data.isEmpty {
                let end = data.firstIndex(of: UInt8(ascii: "\n")) ?? data.endIndex
                rest -= 1
                if rest == 0 { line = Array(data[..<end]) }
                data = data[end...].dropFirst()
            }
        }
    }

    /// Continues with the search in this part.
    func look(for search: inout CopyLine) {
        for frame in frames {
            switch frame.kind {
            case .copy: search.begin()
            case .copyData: search.look(at: bytes[frame.range])
            default: break
            }
        }
    }
}
