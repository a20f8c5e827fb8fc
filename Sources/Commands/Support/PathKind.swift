import Glibc
import Observability

/// What a path on the command line names.
public enum PathKind {
    /// A directory.
    case folder
    /// Anything else that exists.
    case file

    /// Looks at the path.
    ///
    /// - Throws: ``ProgramFailure`` when there is nothing.
    public init(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw ProgramFailure(.inputOutput, "\(path): \(String(cString: strerror(errno)))")
        }
        self = status.st_mode & S_IFMT == S_IFDIR ? .folder : .file
    }
}
