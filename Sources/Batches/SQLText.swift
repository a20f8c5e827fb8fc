import Postgres

/// SQL names and type names that stay on one line and in their place, whatever the source calls its objects.
enum SQLText {
    /// A quoted identifier. A name with a newline or carriage return takes the form with Unicode escapes, because a
    /// statement is one line.
    static func identifier(_ name: String) -> String {
        guard name.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D }) else { return Quoting.identifier(name) }
        var escaped = ""
        for scalar in name.unicodeScalars {
            switch scalar {
            case "\n": escaped += "\\000a"
            case "\r": escaped += "\\000d"
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\"\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return "U&\"" + escaped + "\""
    }

    /// A schema-qualified name.
    static func qualified(_ schema: String, _ name: String) -> String {
        identifier(schema) + "." + identifier(name)
    }

    /// `type` if it is a single type name as `format_type` writes it for types that are not built in, such as
    /// `public."Mood"[]` or `app.code(5)`; nil for anything else, which must not reach a statement.
    static func typeName(_ type: String) -> String? {
        var isQuoted = false
        var isModifier = false
        for byte in type.utf8 {
            if isQuoted {
                if byte == 0x0A || byte == 0x0D { return nil }
                if byte == UInt8(ascii: "\"") { isQuoted = false }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""):
                guard !isModifier else { return nil }
                isQuoted = true
            case UInt8(ascii: "("):
                guard !isModifier else { return nil }
                isModifier = true
            case UInt8(ascii: ")"):
                guard isModifier else { return nil }
                isModifier = false
            case UInt8(ascii: "0")...UInt8(ascii: "9"): break
            case UInt8(ascii: ","):
                guard isModifier else { return nil }
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "["),
                UInt8(ascii: "]"), 0x80...0xFF:
                guard !isModifier else { return nil }
            default: return nil
            }
        }
        return isQuoted || isModifier || type.isEmpty ? nil : type
    }
}
