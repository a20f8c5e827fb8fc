import ArgumentParser
import CloneCommand

/// A first word that names no program: what was probably meant.
enum WrongWord {
    /// What to say about it; nil for a word that is none.
    static func advice(_ word: String) -> String? {
        guard !word.isEmpty, !word.hasPrefix("-"), word != "help", !WalrelayCommand.names.contains(word) else {
            return nil
        }
        let parts = CloneCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
        if parts.contains(word) { return "\"\(word)\" is a part of clone: walrelay clone \(word)" }
        let nearest = WalrelayCommand.names.map { (name: $0, distance: distance(word, $0)) }.min {
            $0.distance < $1.distance
        }
        let meant = nearest.flatMap { $0.distance <= 2 ? "; did you mean \($0.name)?" : nil }
        return "there is no \"\(word)\"" + (meant ?? ", but \(WalrelayCommand.names.sorted().joined(separator: ", "))")
    }

    /// How many letters are to be put in, taken out or exchanged to make one word of another (Levenshtein).
    private static func distance(_ one: String, _ other: String) -> Int {
        let letters = Array(other)
        var row = Array(0...letters.count)
        for (line, letter) in one.enumerated() {
            var before = row[0]
            row[0] = line + 1
            for index in letters.indices {
                let change = before + (letters[index] == letter ? 0 : 1)
                before = row[index + 1]
                row[index + 1] = min(change, row[index] + 1, before + 1)
            }
        }
        return row[letters.count]
    }
}
