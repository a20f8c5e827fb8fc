import Glibc
import Postgres

/// A growable run of records, filled by one thread and handed to another as a whole.
public final class ChunkBuffer: @unchecked Sendable {
    // Owned by one thread at a time: the queue between them is the hand-over.
    private var storage: UnsafeMutableRawPointer
    private var capacity: Int
    private let ordinaryCapacity: Int
    /// Bytes filled.
    public private(set) var count = 0

    /// An empty buffer that holds `capacity` bytes before it grows.
    public init(capacity: Int) {
        ordinaryCapacity = max(4096, capacity)
        self.capacity = ordinaryCapacity
        storage = .allocate(byteCount: ordinaryCapacity, alignment: 16)
    }

    deinit {
        storage.deallocate()
    }

    /// The bytes filled.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage, count: count)
    }

    /// Forgets the contents, and gives back the memory that one huge record needed.
    public func removeAll() {
        count = 0
        if capacity > ordinaryCapacity * 4 {
            storage.deallocate()
            capacity = ordinaryCapacity
            storage = .allocate(byteCount: capacity, alignment: 16)
        }
    }

    /// Forgets everything after the first `count` bytes.
    public func truncate(to count: Int) {
        self.count = min(self.count, max(0, count))
    }

    /// Appends one record. The payload must be shorter than ``Record/maximumLength`` - 10.
    public func append(
        _ kind: RecordKind, flags: RecordFlags = [], lsn: LSN, payload: UnsafeRawBufferPointer
    ) {
        let size = Record.headerSize + payload.count
        reserve(size)
        let start = storage + count
        start.storeBytes(of: UInt32(size - 4).littleEndian, as: UInt32.self)
        start.storeBytes(of: kind.rawValue, toByteOffset: 4, as: UInt8.self)
        start.storeBytes(of: flags.rawValue, toByteOffset: 5, as: UInt8.self)
        start.storeBytes(of: lsn.rawValue.littleEndian, toByteOffset: 6, as: UInt64.self)
        if let base = payload.baseAddress {
            memcpy(start + Record.headerSize, base, payload.count)
        }
        count += size
    }

    /// Appends one record with a message of a streamed transaction, without the transaction id behind its kind byte.
    ///
    /// - Parameter payload: at least six bytes.
    /// - Returns: the message as it was appended, valid until the buffer is changed.
    func appendStreamed(lsn: LSN, payload: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        append(.change, flags: .streamed, lsn: lsn, payload: UnsafeRawBufferPointer(rebasing: payload[4...]))
        // The kind byte takes the place of the id's last byte.
        let plain = storage + (count - payload.count + 4)
        plain.storeBytes(of: payload[0], as: UInt8.self)
        return UnsafeRawBufferPointer(start: plain, count: payload.count - 4)
    }

    /// Appends bytes that are no record, but a part of a frame.
    public func append(_ bytes: UnsafeRawBufferPointer) {
        reserve(bytes.count)
        if let base = bytes.baseAddress { memcpy(storage + count, base, bytes.count) }
        count += bytes.count
    }

    /// Appends one record with a payload held in an array.
    public func append(_ kind: RecordKind, lsn: LSN, payload: [UInt8]) {
        payload.withUnsafeBytes { append(kind, lsn: lsn, payload: $0) }
    }

    private func reserve(_ size: Int) {
        guard count + size > capacity else { return }
        var larger = capacity
        while larger < count + size { larger *= 2 }
        let new = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        memcpy(new, storage, count)
        storage.deallocate()
        storage = new
        capacity = larger
    }
}
