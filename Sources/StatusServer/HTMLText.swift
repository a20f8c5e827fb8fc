import Observability

/// HTML as it is put together: what comes from outside is always escaped.
struct HTMLText {
    private(set) var text = ""

    /// Markup of ours.
    mutating func raw(_ markup: StaticString) { text += "\(markup)" }

    /// Markup that was put together by another of these.
    mutating func append(_ other: HTMLText) { text += other.text }

    /// Text from anywhere.
    mutating func escaped(_ words: String) {
        for scalar in PlainText.line(words).unicodeScalars {
            switch scalar {
            case "&": text += "&amp;"
            case "<": text += "&lt;"
            case ">": text += "&gt;"
            case "\"": text += "&quot;"
            case "'": text += "&#39;"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// An element with text in it.
    mutating func element(_ name: StaticString, _ words: String, class kind: StaticString? = nil) {
        text += "<\(name)"
        if let kind { text += " class=\"\(kind)\"" }
        text += ">"
        escaped(words)
        text += "</\(name)>"
    }

    /// A number inside markup.
    mutating func number(_ value: Int) { text += "\(value)" }

    /// A bar that is filled from 0 to 1, named for those who cannot see it.
    mutating func bar(_ fraction: Double, _ name: String) {
        let thousandths = Int((min(1, max(0, fraction)) * 1_000).rounded(.down))
        text += "<progress max=\"1000\" value=\"\(thousandths)\" aria-label=\""
        escaped(name)
        text += "\"></progress>"
    }
}
