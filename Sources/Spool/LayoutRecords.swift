import PgOutput

/// The records that say how tables are laid out – types, relation records and Relation messages –, each as it came last,
/// so that a piece of a segment can be given what it needs of the rest.
public struct LayoutRecords {
    private enum Key: Hashable {
        case type(UInt32)
        case facts(UInt32)
        case relation(UInt32)
    }

    private var records: [Key: [UInt8]] = [:]
    private var order: [Key] = []

    /// None.
    public init() {}

    /// True for a record that belongs to a layout.
    public static func isLayout(_ record: Record) -> Bool {
        switch record.kind {
        case .relation: true
        case .change:
            switch MessageKind(rawValue: record.payload.first ?? 0) {
            case .relation, .type: true
            default: false
            }
        default: false
        }
    }

    /// Keeps a record that belongs to a layout, in the place of an earlier one on the same.
    ///
    /// - Parameter bytes: the whole record.
    /// - Throws: ``SpoolError`` with `corrupt` for a relation record that cannot be read.
    public mutating func keep(_ record: Record, _ bytes: UnsafeRawBufferPointer, file: String) throws(SpoolError) {
        let key = try LayoutRecords.key(record, file: file)
        if records.updateValue(Array(bytes), forKey: key) == nil { order.append(key) }
    }

    private static func key(_ record: Record, file: String) throws(SpoolError) -> Key {
        struct Facts: Decodable {
            let relation: UInt32
        }
        if record.kind == .relation {
            let facts: Facts = try JSON.decode(record.payload, what: "the relation record", file: file)
            return .facts(facts.relation)
        }
        var identifier: UInt32 = 0
        if record.payload.count >= 5 {
            identifier = UInt32(bigEndian: record.payload.loadUnaligned(fromByteOffset: 1, as: UInt32.self))
        }
        return record.payload.first == MessageKind.type.rawValue ? .type(identifier) : .relation(identifier)
    }

    /// Hands on the records in the order in which their tables came first.
    public func forEach(_ body: (UnsafeRawBufferPointer) throws -> Void) rethrows {
        for key in order {
            if let record = records[key] { try record.withUnsafeBytes { try body($0) } }
        }
    }

    /// Forgets them.
    public mutating func removeAll() {
        records.removeAll(keepingCapacity: true)
        order.removeAll(keepingCapacity: true)
    }
}
