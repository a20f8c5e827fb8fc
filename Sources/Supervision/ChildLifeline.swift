import Glibc
import Observability

/// Ties a child process to the life of `clone`.
///
/// The kernel ends the child when the *thread* that started it does. ``ClientProgram`` waits for its child on the thread
/// that starts it, so that this is the life of the process.
public enum ChildLifeline {
    /// The hidden subcommand of `clone` that does this and then becomes the program.
    public static let subcommand = "exec"
    static let parentVariable = "WALRELAY_PARENT_PID"

    private typealias ProcessControl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32

    /// Becomes another program, which gets SIGTERM when the parent dies. Returns only by throwing.
    public static func become(_ words: [String]) throws -> Never {
        let setDeathSignal: Int32 = 1  // PR_SET_PDEATHSIG; prctl is variadic, which Swift cannot call.
        if let symbol = dlsym(dlopen(nil, RTLD_NOW), "prctl") {
            _ = unsafeBitCast(symbol, to: ProcessControl.self)(setDeathSignal, UInt(SIGTERM), 0, 0, 0)
        }
        // The parent may have died before that.
        if let text = getenv(parentVariable), let parent = pid_t(String(cString: text)), getppid() != parent {
            Glibc._exit(128 + SIGTERM)
        }
        // The threads of Swift's tasks block all signals, and a program inherits that, and which ones are ignored.
        var none = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, nil)
        signal(SIGPIPE, SIG_DFL)
        var pointers = words.map { strdup($0) }
        pointers.append(nil)
        if let program = pointers.first ?? nil { execvp(program, pointers) }
        throw ProgramFailure(
            .inputOutput,
            "\(words.first ?? "nothing") cannot be run: \(String(cString: strerror(errno))); PostgreSQL's client "
                + "programs must be in PATH")
    }
}
