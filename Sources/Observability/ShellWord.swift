/// One word of a shell's command, whatever characters it has.
public enum ShellWord {
    /// The text as it is where it is plain, and in single quotes otherwise.
    public static func quoted(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+=:,@".utf8.contains(byte)
        }
        return isPlain && !text.isEmpty ? text : "'\(inSingleQuotes(text))'"
    }

    /// What stands for the text between single quotes.
    public static func inSingleQuotes(_ text: String) -> String { text.replacing("'", with: "'\\''") }
}
