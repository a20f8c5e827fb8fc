import CommandSupport
import Glibc
import Observability

/// Keeps some lines at the bottom of a terminal up to date, and lets other lines scroll by above them.
///
/// Nothing of the terminal is changed that would have to be put back: no mode, no cursor that is hidden, no other screen.
/// The cursor always stands below the lines, so that a program that dies leaves a terminal that can be used.
struct Painter {
    let descriptor: Int32
    private var painted: [String] = []

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// Writes `log` where it stays, and the lines below it, cut to the terminal's present size.
    mutating func paint(_ lines: [String], log: String = "") {
        let (columns, rows) = size
        let cut = lines.prefix(max(1, rows - 2)).map { Self.cut($0, to: max(10, columns - 1)) }
        guard cut != painted || !log.isEmpty else { return }
        // A terminal that became narrower has broken the lines that were there.
        let height = painted.reduce(0) { $0 + max(1, (Self.width($1) + columns - 1) / columns) }
        var text = "\r" + (height > 0 ? "\u{1B}[\(height)A" : "") + "\u{1B}[J" + log
        for line in cut { text += line + "\n" }
        Output.write(text, to: descriptor)
        painted = cut
    }

    /// Writes `log` alone: what was painted before is another's to write over.
    mutating func leave(_ log: String) {
        painted = []
        if !log.isEmpty { Output.write(log, to: descriptor) }
    }

    /// Someone sits before the terminal and looks at this program.
    var isForeground: Bool { tcgetpgrp(descriptor) == getpgrp() }

    /// Columns and rows; asked for each time, so that no signal is needed to hear of a change.
    private var size: (columns: Int, rows: Int) {
        var window = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(window.ws_col), Int(window.ws_row))
    }

    /// The beginning of a line that fits, without anything that would move the cursor.
    static func cut(_ line: String, to columns: Int) -> String {
        var result = String.UnicodeScalarView()
        var used = 0
        for scalar in line.unicodeScalars {
            let isHarmful = scalar != "\"" && scalar != "\\" && JSONText.needsEscape(scalar.value)
            let shown: Unicode.Scalar = isHarmful ? "?" : scalar
            used += width(shown)
            guard used <= columns else { break }
            result.append(shown)
        }
        return String(result)
    }

    private static func width(_ line: String) -> Int { line.unicodeScalars.reduce(0) { $0 + width($1) } }

    /// Wide enough for every terminal: what may take two columns counts as two.
    private static func width(_ scalar: Unicode.Scalar) -> Int { scalar.value < 0x1100 ? 1 : 2 }
}
