import Glibc

/// Everything `posix_spawn` has to know about a child process.
///
/// The child sees its three standard descriptors and nothing else: every other descriptor of the test process is
/// closed in it, so that no child keeps a pipe of another test open.
struct SpawnRequest: Sendable {
    /// Where the standard input of the child comes from.
    enum Input: Sendable {
        /// A file, opened for reading.
        case file(String)
        /// A descriptor of this process, which the child gets as its descriptor 0.
        case descriptor(Int32)
    }

    /// Which group and session the child becomes part of.
    enum Leadership: Sendable {
        /// Leader of a process group of its own, which can be signalled as a whole.
        case group
        /// Leader of a session of its own, out of reach of a terminal's Ctrl-C.
        case session
    }

    /// Absolute path of the executable.
    var executable: String
    /// Arguments after the program's name.
    var arguments: [String] = []
    /// The whole environment, nothing is inherited.
    var environment: [String: String] = [:]
    /// Standard input.
    var input = Input.file("/dev/null")
    /// File that gets the standard output; created or truncated.
    var output = "/dev/null"
    /// File that gets the standard error; created or truncated.
    var errorOutput = "/dev/null"
    /// Group or session.
    var leadership = Leadership.group

    /// Starts the child and returns its process id.
    func spawn() throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        try check(posix_spawn_file_actions_init(&actions), "prepare to start")
        defer { posix_spawn_file_actions_destroy(&actions) }
        try addDescriptors(to: &actions)

        var attributes = posix_spawnattr_t()
        try check(posix_spawnattr_init(&attributes), "prepare to start")
        defer { posix_spawnattr_destroy(&attributes) }
        try setAttributes(of: &attributes)

        let variables = environment.map { "\($0.key)=\($0.value)" }
        return try withCStrings([executable] + arguments) { argumentPointers in
            try withCStrings(variables) { variablePointers in
                var pid: pid_t = 0
                try check(
                    posix_spawn(&pid, executable, &actions, &attributes, argumentPointers, variablePointers),
                    "start"
                )
                return pid
            }
        }
    }

    private func addDescriptors(to actions: inout posix_spawn_file_actions_t) throws {
        switch input {
        case .file(let path):
            try check(posix_spawn_file_actions_addopen(&actions, 0, path, O_RDONLY, 0), "open \(path) for")
        case .descriptor(let descriptor):
            try check(posix_spawn_file_actions_adddup2(&actions, descriptor, 0), "pass a descriptor to")
        }
        let writing = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND
        try check(posix_spawn_file_actions_addopen(&actions, 1, output, writing, 0o644), "open \(output) for")
        if errorOutput == output {
            try check(posix_spawn_file_actions_adddup2(&actions, 1, 2), "redirect")
        } else {
            try check(posix_spawn_file_actions_addopen(&actions, 2, errorOutput, writing, 0o644), "redirect")
        }
        try check(Self.addCloseFrom(&actions, 3), "close descriptors for")
    }

    private func setAttributes(of attributes: inout posix_spawnattr_t) throws {
        // POSIX_SPAWN_SETSID of glibc's <spawn.h>, which Swift does not see without _GNU_SOURCE.
        let newSession: Int32 = 0x80
        let leading = leadership == .session ? newSession : Int32(POSIX_SPAWN_SETPGROUP)
        let flags = leading | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)
        try check(posix_spawnattr_setflags(&attributes, Int16(flags)), "prepare to start")

        // A test may ignore or block signals; its children start like those of a shell.
        var none = sigset_t()
        sigemptyset(&none)
        try check(posix_spawnattr_setsigmask(&attributes, &none), "prepare to start")
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in [SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD, SIGUSR1, SIGUSR2] {
            sigaddset(&defaults, signal)
        }
        try check(posix_spawnattr_setsigdefault(&attributes, &defaults), "prepare to start")
    }

    private func check(_ code: Int32, _ action: String) throws {
        guard code == 0 else { throw ProgramError.notStarted("cannot \(action) \(executable): \(errnoText(code))") }
    }

    private typealias AddCloseFrom = @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32

    /// glibc ≥ 2.34 closes all descriptors from a number on; the declaration needs _GNU_SOURCE, hence the look-up.
    private static let addCloseFrom: AddCloseFrom = {
        guard let symbol = dlsym(dlopen(nil, RTLD_NOW), "posix_spawn_file_actions_addclosefrom_np") else {
            return { _, _ in ENOSYS }
        }
        return unsafeBitCast(symbol, to: AddCloseFrom.self)
    }()
}

/// The C library's text for an error number.
func errnoText(_ code: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard strerror_r(code, &buffer, buffer.count) == 0 else { return "error \(code)" }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Calls `body` with a NULL-terminated array of C strings.
private func withCStrings<Result>(
    _ strings: [String],
    _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result
) rethrows -> Result {
    let pointers = strings.map { strdup($0) }
    defer { pointers.forEach { free($0) } }
    return try body(pointers + [nil])
}
