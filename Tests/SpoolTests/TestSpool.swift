import Spool
import TestSupport

/// A spool in a temporary folder.
final class TestSpool {
    let folder: TemporaryFolder
    let spool: SpoolDirectory
    private var lock: SpoolLock?

    init() throws {
        folder = try TemporaryFolder("spool")
        spool = SpoolDirectory(folder.path("s"))
        lock = try spool.open(for: Sample.identity)
    }

    func path(_ name: String) -> String { spool.segmentsPath + "/" + name }
    func read(_ name: String) throws -> [UInt8] { try folder.read("s/segments/" + name) }
    func write(_ name: String, _ bytes: [UInt8]) throws { try folder.write("s/segments/" + name, bytes) }
    func unlock() { lock = nil }

    /// The names in the folder of the segments.
    func names() throws -> [String] { try FileNames.list(spool.segmentsPath) }
}
