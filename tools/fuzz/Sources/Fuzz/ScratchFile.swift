import Glibc
import Spool

/// A file in memory that takes one input after the other, for parsers that read files.
final class ScratchFile: @unchecked Sendable {
    /// The folder of this process.
    static let folder: String = {
        let folder = "/dev/shm/walrelay-fuzz-\(getpid())"
        mkdir(folder, 0o700)
        atexit { _ = system("rm -rf /dev/shm/walrelay-fuzz-\(getpid())") }
        return folder
    }()

    /// A file that looks like an open segment.
    static let image = ScratchFile(folder + "/" + Seeds.header.name.fileName)

    /// A spool's folder with nothing in it.
    static let spool: SpoolDirectory = {
        let spool = SpoolDirectory(folder + "/spool")
        mkdir(spool.path, 0o700)
        mkdir(spool.segmentsPath, 0o700)
        return spool
    }()

    let path: String
    private let descriptor: Int32

    private init(_ path: String) {
        self.path = path
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0)
    }

    /// Makes the input the file's whole contents.
    func fill(_ bytes: UnsafeRawBufferPointer) {
        // In this order the file keeps its pages: to give them up and take new ones costs more than many a parser.
        precondition(pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
        precondition(ftruncate(descriptor, off_t(bytes.count)) == 0)
    }

    static func write(_ bytes: UnsafeRawBufferPointer, to path: String) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        precondition(descriptor >= 0)
        precondition(pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count)
        close(descriptor)
    }
}
