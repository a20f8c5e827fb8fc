import Glibc
import TestSupport
import Testing

/// A pipeline of a shell, whose members can be signalled one by one.
final class Chain {
    /// The members' exit codes by name, 128 + n for signal n.
    typealias ExitCodes = [String: Int32]

    private let rig: Rig
    private let shell: RunningProgram
    private let names: [String]
    private let prefix: String

    private static let counter = NameCounter()

    /// Starts the pipeline.
    ///
    /// - Parameter stages: each stage's name and the rest of its command line, as the shell reads it.
    init(_ rig: Rig, _ stages: KeyValuePairs<String, String>) throws {
        self.rig = rig
        names = stages.map(\.key)
        prefix = "chain.\(Chain.counter.next())"
        let own = [
            "receive": "--source \"$SOURCE\" --slot \"$NAME\" --publication relay", "transform": "--origin \"$NAME\"",
            "replay": "--target \"$TARGET\" --origin \"$NAME\"",
        ]
        let prefix = self.prefix
        // Each writes its process id before it becomes the program.
        let parts = stages.map { name, rest in
            "(echo $BASHPID >\(prefix).\(name); exec \(name) \(own[name] ?? "") \(rest))"
        }
        shell = try rig.start(parts.joined(separator: " |\n") + "\necho \"${PIPESTATUS[@]}\"")
    }

    var isRunning: Bool { shell.isRunning }
    var stderr: String { shell.stderr }

    /// Waits until one of the members has logged a text.
    func awaitLog(containing text: String) async throws {
        try await shell.awaitLog(containing: text)
    }

    /// Signals a member, once it has started; nothing happens for a name that is none. Its number is its own while the
    /// shell runs, which waits for all members.
    func signal(_ name: String, _ number: Int32) async throws {
        guard names.contains(name) else { return }
        let pid = try await self.pid(of: name)
        if isRunning { Glibc.kill(pid, number) }
    }

    /// A member's process.
    private func pid(of name: String) async throws -> Int32 {
        var pid: Int32?
        try await until("\(name) has started") {
            guard let text = try? rig.folder.read("\(prefix).\(name)"), text.last == 0x0A else { return false }
            pid = Int32(String(decoding: text.dropLast(), as: UTF8.self))
            return pid != nil
        }
        return try #require(pid)
    }

    /// Waits until a member has so much to read that whoever writes it has to wait.
    func awaitFullInput(of name: String) async throws {
        let pid = try await self.pid(of: name)
        try await until("the pipe before \(name) is full") {
            let pipe = open("/proc/\(pid)/fd/0", O_WRONLY | O_NONBLOCK | O_CLOEXEC)
            guard pipe >= 0 else { return false }
            defer { close(pipe) }
            var set = pollfd(fd: pipe, events: Int16(POLLOUT), revents: 0)
            return poll(&set, 1, 0) == 0
        }
    }

    /// Waits until a member has ended, whatever the others do. It has no executable then.
    func awaitEnd(of name: String) async throws {
        let pid = try await self.pid(of: name)
        try await until("\(name) has ended") {
            var byte: CChar = 0
            return readlink("/proc/\(pid)/exe", &byte, 1) < 0
        }
    }

    private func until(_ what: String, _ isSo: () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !isSo() {
            try #require(ContinuousClock.now < deadline, "not so after a minute: \(what): \(stderr)")
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Waits for the end of all members.
    ///
    /// - Parameter wakes: keeps writing something on the source, so that a stage which waits for input sees that its
    ///   reader is gone.
    func end(wakes: Bool = false) async throws -> ExitCodes {
        let deadline = ContinuousClock.now + .seconds(60)
        while wakes, isRunning, ContinuousClock.now < deadline {
            try await rig.onSource("SELECT pg_logical_emit_message(true, 'test', 'wake')")
            try await Task.sleep(for: .milliseconds(200))
        }
        let finished = try await shell.wait(within: .seconds(60))
        let codes = finished.outputLines.last?.split(separator: " ").compactMap { Int32($0) } ?? []
        try #require(codes.count == names.count, "\(finished)")
        return Dictionary(uniqueKeysWithValues: zip(names, codes))
    }

    /// Kills a member (SIGKILL): the others notice, and none of them claims success.
    func kill(_ victim: String, wakes: Bool = false) async throws {
        guard isRunning else {
            Issue.record("the pipeline had ended by itself: \(stderr)")
            return
        }
        try await signal(victim, SIGKILL)
        let codes = try await end(wakes: wakes)
        for (name, code) in codes {
            // A reader sees an end without end mark, a writer that nobody reads.
            #expect(name == victim ? code == 137 : [14, 18].contains(code), "\(name) \(code): \(stderr)")
        }
    }
}
