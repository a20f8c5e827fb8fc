import Glibc
import Simulator
import Synchronization
import Threading

/// Runs histories until there were enough; see tools/simulate.
@main
struct Simulate {
    private var first: UInt64 = 1
    private var most = UInt64.max
    private var minutes = 0.0
    private var jobs = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    private var options = HistoryOptions(seed: 1)
    private var flags = ""

    static func main() throws {
        var simulate = Simulate()
        simulate.read(CommandLine.arguments.dropFirst())
        exit(try simulate.run())
    }

    private mutating func read(_ given: ArraySlice<String>) {
        var arguments = given
        while let argument = arguments.popFirst() {
            switch argument {
            case "--seed": first = number(arguments.popFirst())
            case "--seeds": most = number(arguments.popFirst())
            case "--minutes": minutes = number(arguments.popFirst())
            case "--jobs": jobs = max(1, number(arguments.popFirst()))
            case "--story": options.tells = true
            case "--abort-moves-position": options.abortMovesPosition = true
            case "--sync-lies": options.syncLies = true
            case "--sync-fails": options.syncFails = true
            default: usage()
            }
            if ["--abort-moves-position", "--sync-lies", "--sync-fails"].contains(argument) { flags += " " + argument }
        }
        if most == .max && minutes == 0 { most = 10_000 }
    }

    private func number<Number: LosslessStringConvertible>(_ text: String?) -> Number {
        guard let number = text.flatMap({ Number($0) }) else { usage() }
        return number
    }

    private func usage() -> Never {
        print("simulate: see tools/simulate --help")
        exit(2)
    }

    /// What all threads have found together.
    private struct Found {
        var counts = HistoryCounts()
        var failed: [UInt64] = []
        var digest: UInt64 = 0
        var number: UInt64 = 0
    }

    /// More failures than these tell nothing new.
    private static let failuresMax = 20

    private func run() throws -> Int32 {
        let begun = ContinuousClock.now
        let found = Shared()
        let workers = try (0..<jobs).map { number in
            try Worker.launch(name: "history \(number)") { work(found, begun) }
        }
        for worker in workers { worker.join() }
        let all = found.value.withLock { $0 }
        let seconds = Double((ContinuousClock.now - begun) / .milliseconds(1)) / 1_000
        print(
            """
            simulate: \(all.number) histories from seed \(first) on in \(Int(seconds)) s, \
            \(Int(Double(all.number) / seconds * 60)) a minute; digest \(String(all.digest, radix: 16))
            """)
        for (name, count) in all.counts.all { print("  \(name): \(count)") }
        guard !all.failed.isEmpty else {
            print("simulate: all of them ended well")
            return 0
        }
        print("simulate: \(all.failed.count) failed, with the seeds \(all.failed.sorted())")
        return 1
    }

    private final class Shared: Sendable {
        let value = Mutex(Found())
    }

    private func work(_ found: Shared, _ begun: ContinuousClock.Instant) {
        let simulation: Simulation
        do { simulation = try Simulation() } catch { return print("simulate: \(error)") }
        while minutes == 0 || ContinuousClock.now - begun < .seconds(minutes * 60) {
            let next: UInt64? = found.value.withLock { found in
                guard found.number < most, found.failed.count < Simulate.failuresMax else { return nil }
                found.number += 1
                return first &+ found.number - 1
            }
            guard let seed = next else { return }
            var options = self.options
            options.seed = seed
            let result = simulation.run(options)
            found.value.withLock { found in
                found.counts.add(result.counts)
                // A sum, because threads end in any order.
                found.digest &+= (result.digest ^ seed) &* 0x9E37_79B9_7F4A_7C15
                if result.failure != nil { found.failed.append(seed) }
            }
            for line in result.story { print(line) }
            guard let failure = result.failure else { continue }
            print(
                """
                simulate: seed \(seed): \(failure.prefix(600))
                simulate: again, with all that happens: tools/simulate --seed \(seed) --seeds 1 --story\(flags)
                """)
            // Whoever watches a pipe wants to know it now.
            fflush(nil)
        }
    }
}
