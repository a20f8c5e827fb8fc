import FoundationEssentials

/// The small JSON documents of the spool: sorted keys, one line, so that equal values are equal bytes.
public enum JSON {
    /// The document as UTF-8.
    public static func encode(_ value: some Encodable) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only floating-point infinities and custom code can make this fail; the documents have neither.
        return (try? encoder.encode(value)).map { Array($0) } ?? Array("{}".utf8)
    }

    /// The document as text.
    public static func text(_ value: some Encodable) -> String {
        String(decoding: encode(value), as: UTF8.self)
    }

    /// Decodes a document.
    ///
    /// - Throws: ``SpoolError`` with `corrupt`, naming `what` it should have been.
    public static func decode<Value: Decodable>(
        _ bytes: UnsafeRawBufferPointer, what: String, file: String
    ) throws(SpoolError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw SpoolError(.corrupt, "\(what) cannot be read: \(reason(error))", file: file)
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "\"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "\"\(context.codingPath.map(\.stringValue).joined(separator: "."))\" has the wrong type"
        case DecodingError.dataCorrupted(let context): context.debugDescription
        default: "\(error)"
        }
    }
}
