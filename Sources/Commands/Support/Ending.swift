import Glibc
import Observability
import Postgres
import Synchronization
import Threading

/// How a program ends that was asked to stop: in good order if it can, and within ten seconds whatever it waits for.
enum Ending {
    /// Milliseconds after the first signal at which running statements are cancelled.
    private static let cancelAfter = 5_000
    /// Milliseconds after that at which sessions are ended from this side: a server did not react.
    private static let shutDownAfter = 3_000
    /// Milliseconds after that at which the process ends.
    private static let endAfter = 2_000
    /// Milliseconds for which a process that is to end at once waits for its statements to be cancelled. The server
    /// would not see before the end of a wait for a lock that nobody waits any more.
    private static let lastPatience = 500

    /// The signal that is ending the process; 0 while none is.
    private static let signal = Atomic<Int32>(0)

    /// Gives what is under way some time, then ends first what it waits for, and at last the process.
    static func within10Seconds(_ number: Int32) {
        _ = Worker.start(name: "stopping") {
            _ = Polling.wait(-1, until: .after(milliseconds: cancelAfter))
            OpenSessions.all.cancel()
            _ = Polling.wait(-1, until: .after(milliseconds: shutDownAfter))
            OpenSessions.all.shutDown()
            _ = Polling.wait(-1, until: .after(milliseconds: endAfter))
            ChildProcesses.all.signal(SIGKILL)
            Output.write("stopped after 10 s with work unfinished; run the same command again\n", to: 2)
            Glibc._exit(128 + number)
        }
    }

    /// Ends the process, as if the signal had not been caught.
    static func now(_ number: Int32) -> Never {
        signal.store(number, ordering: .releasing)
        ChildProcesses.all.signal(SIGTERM)
        let patience = Deadline.after(milliseconds: lastPatience)
        for worker in OpenSessions.all.cancel() { worker.join(until: patience) }
        Glibc._exit(128 + number)
    }

    /// Ends the process with an exit code, unless a signal is ending it.
    static func exit(_ status: ExitStatus, program: String) -> Never {
        let number = signal.load(ordering: .acquiring)
        if number != 0 { Glibc._exit(128 + number) }
        if status == .done, Output.failure != 0 {
            Output.error("standard output: \(String(cString: strerror(Output.failure)))", program: program)
            Glibc.exit(ExitStatus.inputOutput.rawValue)
        }
        Glibc.exit(status.rawValue)
    }

    /// What failed because the program is to stop is a stop, and needs nothing but the same command again.
    static func explained(_ error: any Error) -> any Error {
        let status = ExitStatus(describing: error) ?? .failure
        let isConsequence =
            switch status {
            case .connection, .unsuitableServer, .locked, .slotActive, .positionBusy: true
            case .failure, .conflict: OpenSessions.all.wereInterrupted
            default: false
            }
        guard isConsequence else { return error }
        return ProgramFailure(
            .incomplete, "stopped before it was done, and nothing is lost; run the same command again")
    }
}
