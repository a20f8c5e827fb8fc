import Batches

/// The statements of the batch that is being applied, kept until its commit, so that they can be sent again on another
/// connection. A batch beyond the limit is not kept.
struct BatchRecorder {
    /// So many bytes are kept.
    static let bytesMax = 64 << 20

    private enum Kind {
        case statement
        case copy
        case copyData
        case copyEnd
    }

    private var bytes: [UInt8] = []
    private var frames: [(kind: Kind, range: Range<Int>, rows: Int?)] = []
    /// Everything since the batch's begin is here.
    private(set) var isComplete = true

    /// Forgets the last batch.
    mutating func begin() {
        bytes.removeAll(keepingCapacity: bytes.capacity <= 32 << 20)
        frames.removeAll(keepingCapacity: frames.capacity <= 1 << 16)
        isComplete = true
    }

    /// Keeps an event; others than those that change rows are ignored.
    mutating func append(_ event: BatchEvent) {
        switch event {
        case .statement(let sql, let rows): append(.statement, sql, rows)
        case .copy(let sql, let rows): append(.copy, sql, rows)
        case .copyData(let data): append(.copyData, data, nil)
        case .copyEnd: append(.copyEnd, UnsafeRawBufferPointer(start: nil, count: 0), nil)
        default: break
        }
    }

    private mutating func append(_ kind: Kind, _ data: UnsafeRawBufferPointer, _ rows: Int?) {
        guard isComplete else { return }
        guard bytes.count + data.count <= BatchRecorder.bytesMax else {
            begin()
            isComplete = false
            return
        }
        let start = bytes.count
        bytes.append(contentsOf: data)
        frames.append((kind, start..<bytes.count, rows))
    }

    /// Gives the events once more.
    func replay(_ body: (BatchEvent) throws(ApplyError) -> Void) throws(ApplyError) {
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
}
