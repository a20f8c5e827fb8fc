import Glibc

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
        let single = value.replacing("'", with: "'\\''")
        switch quote {
        case .none:
            let isPlain = value.utf8.allSatisfy { byte in
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@".utf8.contains(byte)
            }
            return isPlain ? value : "'\(single)'"
        case .single: return single
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
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        // SIGPIPE is ignored here, and would be there.
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        // Standard output is for data.
        posix_spawn_file_actions_adddup2(&files, 2, 1)
        let words: [String] = ["sh", "-c", text(path: path, name: name)]
        var arguments = words.map { strdup($0) }
        arguments.append(nil)
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        guard posix_spawn(&process, "/bin/sh", &files, &attributes, arguments, environ) == 0 else { return nil }
        return process
    }
}
