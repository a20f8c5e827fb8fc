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
    /// `public."Mood"[]` or `app.code(5)`; nil for anything else, which must not reach a statement. Quoted parts with a
    /// newline take the form that ``identifier(_:)`` gives them.
    static func typeName(_ type: String) -> String? {
        var written = ""
        var quoted: String.UnicodeScalarView?
        var isModifier = false
        let scalars = Array(type.unicodeScalars)
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            if quoted != nil {
                if scalar != "\"" {
                    quoted?.append(scalar)
                } else if index < scalars.count, scalars[index] == "\"" {
                    quoted?.append(scalar)
                    index += 1
                } else {
                    written += identifier(String(quoted ?? .init()))
                    quoted = nil
                }
                continue
            }
            switch scalar {
            case "\"":
                guard !isModifier else { return nil }
                quoted = .init()
                continue
            case "(":
                guard !isModifier else { return nil }
                isModifier = true
            case ")":
                guard isModifier else { return nil }
                isModifier = false
            case "0"..."9": break
            case ",":
                guard isModifier else { return nil }
            case "a"..."z", "_", ".", "[", "]", "\u{80}"...:
                guard !isModifier else { return nil }
            default: return nil
            }
            written.unicodeScalars.append(scalar)
        }
        return quoted != nil || isModifier || type.isEmpty ? nil : written
    }
}
