import TestSupport
import Testing

/// One blow to a migration: who dies, during what, and where exactly.
struct CloneBlow: Sendable, CustomTestStringConvertible {
    /// Who dies by SIGKILL. Of a server it is the postmaster; the server is started again.
    enum Victim: String, Sendable {
        case clone, source, target, receive, transform, replay
        case dump = "pg_dump"
        case restore = "pg_restore"

        var isServer: Bool { self == .source || self == .target }
    }

    /// What is being done.
    enum Phase: String, Sendable, CaseIterable {
        /// `clone --follow`, for the first time.
        case copy
        /// The same behind a copy that was interrupted while rows were copied.
        case resumedCopy = "resumed copy"
        /// The same behind one that was interrupted before and can only be restarted.
        case copyAnew = "copy again"
        /// `clone`, which does not follow.
        case plainCopy = "plain copy"
        /// `clone --follow --endpos current` behind a complete copy, with a backlog.
        case bounded = "bounded clone"
        /// `clone --follow` behind a complete copy.
        case following
        /// `clone switchover --fence`.
        case switchover
        /// `clone cleanup`.
        case cleanup
    }

    /// Where the program is stopped when the blow falls.
    enum Place: Sendable {
        /// At the n-th time at a failpoint of clone.
        case point(String, Int)
        /// At a failpoint first, and then, with this lock held on a server, when it waits for that.
        case lock(after: String, onSource: Bool, String)
        /// At a failpoint first, if any, and then when a child of this name runs.
        case child(after: String?, String)
        /// Some moment later.
        case moment
    }

    let victim: Victim
    let phase: Phase
    let place: Place

    /// A source that crashes skips some values of its sequences. Behind their last reading, the target need not know.
    var movesSequences: Bool {
        guard victim == .source else { return false }
        return switch (phase, place) {
        case (.cleanup, _), (.bounded, _), (.plainCopy, _): true
        case (.switchover, .point(let name, _)): name.contains("switch-done")
        default: false
        }
    }

    var testDescription: String {
        let moment =
            switch place {
            case .point(let name, _): name
            case .lock(let after, _, let statement): "\(after) + \(statement)"
            case .child(let after, let name): (after.map { $0 + " + " } ?? "") + name
            case .moment: "some moment"
            }
        return "\(victim.rawValue), \(phase.rawValue), \(moment)"
    }
}

// All blows.
extension CloneBlow {
    /// The index that waits, the constraint that waits, CREATE VIEW, pg_dump's own locks, a slot that waits for an
    /// open transaction.
    private static let index = Place.lock(
        after: "after-snapshot", onSource: false, "SELECT pg_advisory_lock(42)")
    private static let constraint = Place.lock(
        after: "after-snapshot", onSource: false, "SELECT pg_advisory_lock(43)")
    private static let definitions = Place.lock(
        after: "after-snapshot", onSource: false, "LOCK TABLE pg_catalog.pg_rewrite IN SHARE MODE")
    private static let dump = Place.lock(
        after: "after-snapshot", onSource: true, "LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
    private static let slot = Place.lock(
        after: "before-slot", onSource: true, "SELECT pg_catalog.txid_current()")

    private static func points(_ phase: Phase) -> [Place] {
        let names: KeyValuePairs<String, Int> =
            switch phase {
            case .copy:
                [
                    "after-journal": 1, "before-slot": 1, "after-slot": 1, "after-snapshot": 1, "after-definitions": 1,
                    "during-table": 60, "after-part": 40, "after-table": 12, "after-large-objects": 1, "after-rows": 1,
                    "after-keys": 1, "after-indexes": 1, "after-sequences": 1, "before-copy-done": 1,
                    "after-copy-done": 1,
                ]
            case .resumedCopy:
                [
                    "after-snapshot": 1, "during-table": 3, "after-table": 3, "after-rows": 1, "after-keys": 1,
                    "after-catch-up": 1,
                    "after-indexes": 1, "after-sequences": 1, "before-copy-done": 1, "after-copy-done": 1,
                ]
            case .copyAnew: ["after-slot-drop": 1, "before-position-drop": 1, "after-journal": 1]
            case .plainCopy:
                ["during-table": 30, "after-rows": 1, "after-keys": 1, "after-indexes": 1, "before-copy-done": 1]
            case .bounded: ["before-end": 1, "after-slot-drop": 1, "before-position-drop": 1, "before-done": 1]
            case .following: [:]
            case .switchover:
                [
                    "after-request": 1, "after-take-over": 1, "after-fence": 1, "after-drain": 1, "after-rest": 1,
                    "before-switch-done": 1, "after-switch-done": 1,
                ]
            case .cleanup: ["after-slot-drop": 1, "before-position-drop": 1, "before-done": 1]
            }
        return names.map { .point($0.key, $0.value) }
    }

    /// Clone and both servers at each step, and each child where there is one.
    static let all: [CloneBlow] = {
        var all: [CloneBlow] = []
        func add(_ victims: [Victim], _ phase: Phase, _ place: Place) {
            all += victims.map { CloneBlow(victim: $0, phase: phase, place: place) }
        }
        let everybody: [Victim] = [.clone, .source, .target]
        for phase in Phase.allCases {
            for place in points(phase) { add(everybody, phase, place) }
        }
        add(everybody, .copy, slot)
        add(everybody + [.dump], .copy, dump)
        add(everybody + [.restore, .receive], .copy, definitions)
        add(everybody + [.restore, .receive], .copy, index)
        add(everybody + [.restore, .receive], .copy, constraint)
        add([.receive], .copy, .point("during-table", 40))
        add([.receive], .copy, .point("after-rows", 1))
        add(everybody + [.restore], .resumedCopy, index)
        for stage in ["transform", "replay"] {
            let catchUp = Place.child(after: "after-rows", stage)
            add(everybody + [stage == "replay" ? .replay : .transform, .receive], .resumedCopy, catchUp)
        }
        add(everybody + [.receive, .transform, .replay], .following, .moment)
        for stage: Victim in [.receive, .transform, .replay] {
            add([stage], .switchover, .child(after: "after-fence", stage.rawValue))
            add([stage], .bounded, .child(after: nil, stage.rawValue))
        }
        add([.source, .target], .switchover, .child(after: "after-fence", "replay"))
        add([.source, .target], .bounded, .child(after: nil, "replay"))
        return all
    }()
}
