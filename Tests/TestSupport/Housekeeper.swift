import Glibc
import SystemPackage

/// Removes what a test process leaves: its programs and its temporary folders, even after a SIGKILL.
///
/// A small shell process holds one end of a ``Lifeline``. On end of file it kills every process that carries the
/// mark of this test process in its environment, children of children included, and removes the root folder.
final class Housekeeper: Sendable {
    /// The one of this process; the reason when it could not be started.
    static let shared = Result { try Housekeeper() }

    /// Environment variable that marks the programs of a test process.
    static let mark = "WALRELAY_TEST_PROCESS"
    /// The value of the mark: unique among all processes of this machine.
    let token: String
    /// The folder in which all temporary folders of this process lie.
    let root: String
    private let lifeline: Lifeline

    private init() throws {
        token = "\(getpid())-\(String(UInt32.random(in: .min ... .max), radix: 36))"
        root = "\(temporaryRoot())/walrelay-test-\(token)"
        // The folder is made by this process, but only once there is someone to remove it.
        lifeline = try Lifeline(
            SpawnRequest(
                executable: "/bin/sh",
                arguments: ["-c", Self.script, "walrelay-housekeeper", "\(Self.mark)=\(token)", root],
                environment: ["PATH": "/usr/local/bin:/usr/bin:/bin"]
            )
        )
        guard mkdir(root, 0o711) == 0 else {
            throw ProgramError.notStarted("cannot make \(root): \(errnoText(errno))")
        }
    }

    /// Killing is repeated, since a process may start another one between the look and the kill.
    private static let script = """
        mark=$1 root=$2
        cd /
        while read -r line; do :; done
        round=0
        while [ $round -lt 50 ]; do
            found=$(grep -lzxF -e "$mark" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n')
            [ -n "$found" ] || break
            kill -KILL $found 2>/dev/null
            round=$((round + 1))
            sleep 0.05
        done
        rm -rf -- "$root"
        """
}

/// The folder for temporary files: TMPDIR, unless a socket path in it would be too long.
func temporaryRoot() -> String {
    guard let value = getenv("TMPDIR") else { return "/tmp" }
    let path = String(cString: value)
    return path.hasPrefix("/") && path.utf8.count <= 40 ? FilePath(path).string : "/tmp"
}
