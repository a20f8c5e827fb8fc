import Glibc
import Observability
import Threading

/// A shell command that copies a sealed segment to a safe place, as PostgreSQL's `archive_command`.
///
/// `%p` stands for the segment's path, `%f` for its name, `%%` for a per cent sign. It must end with 0 only when the
/// segment is safe, also when it is called again for a segment that is there already.
public struct ArchiveCommand: Sendable, Equatable {
    /// The command, with its placeholders.
    public let template: String

    /// A command.
    public init(_ template: String) {
        self.template = template
    }

    /// How the shell reads what stands at a place of the template.
    private enum Quote {
        case none, single, double
    }

    /// The command for one segment. Any other letter after a per cent sign is left as it is. A path is one word of the
    /// command, whatever characters it has, inside quotes of the template as well as outside.
    func text(path: String, name: String) -> String {
        var text = ""
        var quote = Quote.none
        var rest = Substring(template)
        while let character = rest.popFirst() {
            switch (character, quote) {
            case ("%", _):
                switch rest.first {
                case "p": text += Self.quoted(path, quote)
                case "f": text += Self.quoted(name, quote)
                case "%": text += "%"
                default:
                    text += "%"
                    continue
                }
                rest = rest.dropFirst()
            case ("\\", .none), ("\\", .double):
                text.append(character)
                if let next = rest.popFirst() { text.append(next) }
            case ("'", .none): (quote, text) = (.single, text + "'")
            case ("'", .single): (quote, text) = (.none, text + "'")
            case ("\"", .none): (quote, text) = (.double, text + "\"")
            case ("\"", .double): (quote, text) = (.none, text + "\"")
            default: text.append(character)
            }
        }
        return text
    }

    private static func quoted(_ value: String, _ quote: Quote) -> String {
        switch quote {
        case .none: return ShellWord.quoted(value)
        case .single: return ShellWord.inSingleQuotes(value)
        case .double:
            var escaped = ""
            for character in value {
                if "\\\"$`".contains(character) { escaped += "\\" }
                escaped.append(character)
            }
            return escaped
        }
    }

    /// Starts the command for one segment, in a process group of its own, which a signal to this program does not reach.
    ///
    /// - Returns: the process; nil when none could be started.
    func start(path: String, name: String) -> pid_t? {
        try? ChildProcess.shell(text(path: path, name: name)).start()
    }
}
