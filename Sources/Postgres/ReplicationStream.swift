import CLibpq
import Glibc

/// A running logical replication stream: the copy-both phase that START_REPLICATION opens.
///
/// Lives on its connection's thread. Message layouts: PostgreSQL documentation, "Streaming Replication Protocol".
public final class ReplicationStream {
    private let connection: Connection
    private var message: UnsafeMutablePointer<CChar>?

    /// What the server sent.
    public enum Event {
        /// One output-plugin message. The bytes are valid until the next call of ``next()``.
        case data(walStart: LSN, serverTime: Timestamp, payload: UnsafeRawBufferPointer)
        /// The server has sent everything up to `walEnd`, and may want an answer at once.
        case keepalive(walEnd: LSN, serverTime: Timestamp, replyRequested: Bool)
        /// No complete message has arrived; wait for the socket.
        case nothing
        /// The server ended the stream in good order.
        case ended
    }

    /// Sends START_REPLICATION for `slot` from `start` with the plugin's options.
    ///
    /// - Throws: ``PostgresError``: the slot is missing, in use or lost, or an option is refused.
    public init(
        _ connection: Connection, slot: String, from start: LSN, options: [(name: String, value: String)]
    ) throws(PostgresError) {
        self.connection = connection
        var command = "START_REPLICATION SLOT \(Quoting.identifier(slot)) LOGICAL \(start)"
        if !options.isEmpty {
            let list = options.map { "\(Quoting.identifier($0.name)) \(Quoting.literal($0.value))" }
            command += " (" + list.joined(separator: ", ") + ")"
        }
        let doing = "starting replication from slot \"\(slot)\""
        let result = try connection.execute(command, doing: doing)
        guard result.status == PGRES_COPY_BOTH else {
            throw PostgresError(.unexpectedAnswer, "the server did not start streaming", doing: doing)
        }
    }

    deinit {
        PQfreemem(message)
    }

    /// The socket, for `poll`.
    public var socket: Int32 {
        connection.socket
    }

    /// The next message that has arrived, without waiting. Call ``readSocket()`` when the socket is readable.
    ///
    /// - Throws: ``PostgresError`` when the server reports an error, the connection is lost, or a message is malformed.
    public func next() throws(PostgresError) -> Event {
        PQfreemem(message)
        message = nil
        let length = PQgetCopyData(connection.handle, &message, 1)
        if length == 0 { return .nothing }
        guard length > 0, let message else { return try ending(length) }
        let bytes = UnsafeRawBufferPointer(start: message, count: Int(length))
        switch bytes[0] {
        case UInt8(ascii: "w") where bytes.count >= 25:
            return .data(
                walStart: LSN(rawValue: bytes.bigEndian(at: 1)),
                serverTime: Timestamp(rawValue: Int64(bitPattern: bytes.bigEndian(at: 17))),
                payload: UnsafeRawBufferPointer(rebasing: bytes[25...]))
        case UInt8(ascii: "k") where bytes.count >= 18:
            return .keepalive(
                walEnd: LSN(rawValue: bytes.bigEndian(at: 1)),
                serverTime: Timestamp(rawValue: Int64(bitPattern: bytes.bigEndian(at: 9))),
                replyRequested: bytes[17] != 0)
        default:
            throw PostgresError(
                .unexpectedAnswer,
                "a replication message of kind \(bytes[0]) and \(bytes.count) bytes is not known",
                doing: "receiving")
        }
    }

    private func ending(_ length: Int32) throws(PostgresError) -> Event {
        guard length == -1 else { throw connection.failure(doing: "receiving") }
        // After the copy phase the server says whether it ended well.
        _ = try connection.checked(PQgetResult(connection.handle), doing: "receiving")
        return .ended
    }

    /// Takes in what the socket holds.
    public func readSocket() throws(PostgresError) {
        guard PQconsumeInput(connection.handle) == 1 else {
            var failure = connection.failure(doing: "receiving")
            failure.code = .connectionLost
            throw failure
        }
    }

    /// Sends a standby status update.
    ///
    /// - Parameters:
    ///   - written: received, perhaps not durable.
    ///   - flushed: durable; the server may forget everything before it.
    ///   - replyRequested: asks the server for a keepalive at once.
    public func sendStatus(written: LSN, flushed: LSN, replyRequested: Bool = false) throws(PostgresError) {
        // 'r', written, flushed, applied, client time, reply requested.
        try withUnsafeTemporaryAllocation(byteCount: 34, alignment: 8) { bytes throws(PostgresError) in
            bytes[0] = UInt8(ascii: "r")
            bytes.storeBigEndian(written.rawValue, at: 1)
            bytes.storeBigEndian(flushed.rawValue, at: 9)
            // Synchronous replication at level remote_apply would wait for this one: durable is all that we know.
            bytes.storeBigEndian(flushed.rawValue, at: 17)
            bytes.storeBigEndian(UInt64(bitPattern: Timestamp.now.rawValue), at: 25)
            bytes[33] = replyRequested ? 1 : 0
            let start = bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
            guard PQputCopyData(connection.handle, start, 34) == 1, PQflush(connection.handle) >= 0 else {
                throw connection.failure(doing: "sending the position to the source")
            }
        }
    }

    /// Tells the server that the stream is over; it may still send what is under way.
    public func finish() {
        _ = PQputCopyEnd(connection.handle, nil)
        _ = PQflush(connection.handle)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func bigEndian(at offset: Int) -> UInt64 {
        UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}

extension UnsafeMutableRawBufferPointer {
    fileprivate func storeBigEndian(_ value: UInt64, at offset: Int) {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
    }
}
