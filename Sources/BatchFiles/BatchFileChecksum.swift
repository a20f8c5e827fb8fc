import Batches
import Postgres
import Spool

/// The last line of a sealed file: a checksum of all the text before it, compressed or not.
///
///     -- walrelay checksum {"xxh64":"00c0ffee00c0ffee"}
public enum BatchFileChecksum {
    private static let opening = "-- walrelay checksum {\"xxh64\":\""
    private static let closing = "\"}\n"
    private static let lineBytes = line(0).count

    static func line(_ sum: UInt64) -> [UInt8] {
        Array((opening + sum.hexDigits + closing).utf8)
    }

    /// Reads a file to its end and compares its text with its last line, before anything of it is used.
    ///
    /// A file with the name of a sealed one must have that line, unless version 0.1 wrote it, which wrote none; and its batches
    /// must be those that the name says: by its name a file is read or passed over.
    ///
    /// - Throws: `SpoolError` with `corrupt` when the text was changed or has another file's name, `torn` when its end is
    ///   missing.
    public static func check(_ path: String) throws {
        let source = try BatchFileSource(path)
        var sum = XXH64()
        // The last line comes out of the sum only when there is a line after it, so that much is held back.
        var held: [UInt8] = []
        var tail: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
            guard count > 0 else { break }
            held.append(contentsOf: part[..<count])
            let known = held.count - lineBytes
            guard known > 0 else { continue }
            held.withUnsafeBytes { sum.update(UnsafeRawBufferPointer(rebasing: $0[..<known])) }
            tail = Array((tail + held[..<known].suffix(tailBytes)).suffix(tailBytes))
            held.removeFirst(known)
        }
        guard held.starts(with: opening.utf8) else { return try checkNeedsNone(path) }
        guard held == line(sum.value) else {
            throw SpoolError(
                .corrupt,
                "the text is not the one that transform wrote: its checksum differs; write or copy the file again",
                file: path)
        }
        try checkName(path, tail)
    }

    /// Two lines of ours have room in it.
    private static let tailBytes = 4_096

    /// The name that a path gives to a file of batches.
    private static func name(_ path: String) -> BatchFileName? {
        BatchFileName(fileName: path.split(separator: "/").last.map(String.init) ?? path)
    }

    /// A copy, or a link, under another file's name would leave out that one's batches.
    private static func checkName(_ path: String, _ tail: [UInt8]) throws {
        guard let name = name(path) else { return }
        let from = try BatchPreamble(ofFile: path).from
        let to = end(tail) ?? name.to
        guard from != name.from || to != name.to else { return }
        throw SpoolError(
            .corrupt,
            "its batches go from \(from) to \(to), which is not what its name says: it is another file under this name; put the "
                + "right one back, or write it again with: transform --from \(name.from)", file: path)
    }

    /// What the last line says, if it is that of a commit or of the end.
    private static func end(_ tail: [UInt8]) -> LSN? {
        struct Line: Decodable {
            var to: LSN
        }
        guard let line = tail.split(separator: 0x0A).last else { return nil }
        for opening in ["-- walrelay commit ", "-- walrelay end "] where line.starts(with: opening.utf8) {
            let found = try? Array(line.dropFirst(opening.utf8.count)).withBytes { all throws(SpoolError) -> Line in
                try JSON.decode(all, what: "the last line", file: "")
            }
            return found?.to
        }
        return nil
    }

    private static func checkNeedsNone(_ path: String) throws {
        guard name(path) != nil, try BatchPreamble(ofFile: path).format > 1 else { return }
        throw SpoolError(
            .torn, "the last line, a checksum, is missing, so the file is not whole; write or copy it again", file: path
        )
    }
}
