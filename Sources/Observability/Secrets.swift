/// Keeps passwords out of what is shown: someone may have put a connection string where none belongs, and a message that
/// repeats the word would show it.
public enum Secrets {
    /// The text without passwords, as connection strings write them: `password=…` and `//user:…@`.
    public static func hidden(in text: String) -> String {
        guard text.contains("=") || text.contains("://") else { return text }
        let assigned = text.replacing(
            /(?<name>(?i:ssl)?(?i:password)\s*(?:=|%3[dD])\s*)(?:'(?:[^'\\]|\\.)*'|"[^"]*"|[^\s'"&]+)/
        ) { match in "\(match.output.name)…" }
        return assigned.replacing(/(?<before>:\/\/[^\s:@\/'"]*):[^\s'"\/]*@/) { match in "\(match.output.before):…@" }
    }
}
