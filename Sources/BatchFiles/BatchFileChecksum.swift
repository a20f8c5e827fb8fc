import Batches
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
    /// A file with the name of a sealed one must have that line, unless version 0.1 wrote it, which wrote none.
    ///
    /// - Throws: `SpoolError` with `corrupt` when the text was changed, `torn` when its end is missing.
    public static func check(_ path: String) throws {
        let source = try BatchFileSource(path)
        var sum = XXH64()
        // The last line comes out of the sum only when there is a line after it, so that much is held back.
        var held: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = try part.withUnsafeMutableBytes { try source.read(into: $0) }
            guard count > 0 else { break }
            held.append(contentsOf: part[..<count])
            let known = held.count - lineBytes
            guard known > 0 else { continue }
            held.withUnsafeBytes { sum.update(UnsafeRawBufferPointer(rebasing: $0[..<known])) }
            held.removeFirst(known)
        }
        guard held.starts(with: opening.utf8) else { return try checkNeedsNone(path) }
        guard held == line(sum.value) else {
            throw SpoolError(
                .corrupt,
                "the text is not the one that transform wrote: its checksum differs; write or copy the file again",
                file: path)
        }
    }

    private static func checkNeedsNone(_ path: String) throws {
        let fileName = path.split(separator: "/").last.map(String.init) ?? path
        guard BatchFileName(fileName: fileName) != nil, try BatchPreamble(ofFile: path).format > 1 else { return }
        throw SpoolError(
            .torn, "the last line, a checksum, is missing, so the file is not whole; write or copy it again", file: path
        )
    }
}
