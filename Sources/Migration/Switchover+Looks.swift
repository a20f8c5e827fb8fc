import Comparison
import Postgres

// What is looked at on both sides while the application waits.
extension Switchover {
    /// Compares the definitions, and lists what the stream does not carry.
    struct Looks: Sendable {
        let drift: RehearsedLook<Drift>
        let rest: RehearsedLook<RestPlan>
        let check: @Sendable (Drift) throws -> Void

        func rehearsed() async {
            await drift.rehearsed()
            await rest.rehearsed()
        }

        func look() async throws -> RestPlan {
            async let plan = rest.look()
            try check(try await drift.look())
            return try await plan
        }

        func giveUp() {
            drift.giveUp()
            rest.giveUp()
        }
    }

    func looks(_ journal: CloneJournal) -> Looks {
        let options = self.options
        return Looks(
            drift: RehearsedLook(options, name: "drift") { try DriftWatch.look(options, journal, $0, $1) },
            rest: RehearsedLook(options, name: "rest plan") { try RestPlan.make(options, journal, on: $0, $1) },
            check: checkDefinitions)
    }
}
