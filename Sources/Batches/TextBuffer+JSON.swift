import FoundationEssentials
import Postgres

extension TextBuffer {
    /// A JSON string on one line, whatever `text` contains. Comments carry source names only in this form.
    func appendJSON(_ text: String) {
        append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22: append("\\\"")
            case 0x5C: append("\\\\")
            case 0x0A: append("\\n")
            case 0x0D: append("\\r")
            case 0x09: append("\\t")
            case 0..<0x20, 0x7F, 0x85, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                append(string: "\\u" + String(repeating: "0", count: 4 - digits.count) + digits)
            default: append(string: String(scalar))
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// `"key":"text"`.
    func appendJSON(key: StaticString, _ text: String) {
        append(UInt8(ascii: "\""))
        append(key)
        append("\":")
        appendJSON(text)
    }

    /// `"key":123`.
    func appendJSON(key: StaticString, _ number: Int) {
        append(UInt8(ascii: "\""))
        append(key)
        append("\":")
        append(decimal: number)
    }

    /// `"key":"0/1A2B3C"`.
    func appendJSON(key: StaticString, _ lsn: LSN) {
        appendJSON(key: key, lsn.description)
    }

    /// `"content":"…"`, or `"content_base64":"…"` for bytes that are not UTF-8.
    func appendJSON(content: UnsafeRawBufferPointer) {
        if let text = String(validating: content, as: UTF8.self) {
            appendJSON(key: "content", text)
        } else {
            appendJSON(key: "content_base64", Data(content).base64EncodedString())
        }
    }
}
