import Glibc

/// A command of the user's, run by `sh -c`.
public enum ShellCommand {
    /// Starts it in a process group of its own, which a terminal's Ctrl-C for this program does not reach, with signals as a
    /// shell would leave them: what is ignored here would be there, too. It has nothing to read.
    ///
    /// - Parameter output: where its standard output goes.
    /// - Returns: 0, or the `errno` with which it could not be started; then `pid` is as it was.
    public static func start(_ text: String, output: Int32, pid: inout pid_t) -> Int32 {
        var files = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&files)
        defer { posix_spawn_file_actions_destroy(&files) }
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&files, output, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        let words: [String] = ["sh", "-c", text]
        var arguments = words.map { strdup($0) }
        arguments.append(nil)
        defer { arguments.forEach { free($0) } }
        return posix_spawn(&pid, "/bin/sh", &files, &attributes, arguments, environ)
    }
}
