import Audit
import Observability
import PgOutput

/// Writes rows: as text, or as members of JSON objects.
public struct RowText {
    let output: TextOutput

    /// Rows into the given output.
    public init(output: TextOutput) {
        self.output = output
    }

    /// ` column="value" …`.
    public func writeText(_ row: RowImage) throws {
        var number = 0
        try row.forEach { name, value in
            number += 1
            try output.write(" " + (name.map(RowText.word) ?? "column \(number)") + "=")
            switch value {
            case .null: try output.write("NULL")
            case .unchanged: try output.write("(unchanged)")
            case .text(let bytes):
                guard try output.writeString(bytes) else {
                    try output.write("\\x")
                    return try output.writeHex(bytes)
                }
            case .binary(let bytes):
                try output.write("\\x")
                try output.writeHex(bytes)
            }
        }
    }

    /// `{"column":"value", …}`. Unchanged values are left out: JSON has no word for them, and null is taken. Binary
    /// values, and text that is not UTF-8, are `{"hex":"…"}`.
    public func writeJSON(_ row: RowImage) throws {
        var number = 0
        var isFirst = true
        try output.write("{")
        try row.forEach { name, value in
            number += 1
            if case .unchanged = value { return }
            try output.write((isFirst ? "" : ",") + JSONText.string(name ?? "column \(number)") + ":")
            isFirst = false
            switch value {
            case .null, .unchanged: try output.write("null")
            case .text(let bytes): if try !output.writeString(bytes) { try writeHexObject(bytes) }
            case .binary(let bytes): try writeHexObject(bytes)
            }
        }
        try output.write("}")
    }

    private func writeHexObject(_ bytes: UnsafeRawBufferPointer) throws {
        try output.write("{\"hex\":\"")
        try output.writeHex(bytes)
        try output.write("\"}")
    }

    /// The names of the columns that were not sent because the update did not touch them, as a JSON array.
    public static func unchanged(_ row: RowImage) -> String? {
        var names: [String] = []
        row.forEach { name, value in
            if case .unchanged = value, let name { names.append(JSONText.string(name)) }
        }
        return names.isEmpty ? nil : "[" + names.joined(separator: ",") + "]"
    }

    /// The text by itself if it is one word without control characters, else as a JSON string.
    public static func word(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0 != "\"" && !JSONText.needsEscape($0.value)
            }
        return isPlain ? text : JSONText.string(text)
    }

    /// `schema.table`, as a word.
    public static func table(_ relation: Relation) -> String {
        word("\(relation.namespace).\(relation.name)")
    }
}
