import Observability

/// What a switchover does, one after the other. A dry run lists the same steps that the switchover does.
public enum SwitchoverStep: String, Sendable, CaseIterable {
    case follow = "finding who follows"
    case lag = "waiting for the lag"
    case refreshBefore = "refreshing views"
    case lagAgain = "waiting again"
    case prepareWayBack = "preparing the way back"
    case rehearse = "rehearsing"
    case beforeFence = "event before-fence"
    case fence = "making the source read-only"
    case inFlight = "waiting for open transactions"
    case end = "taking the end position"
    case apply = "applying what is left"
    case definitions = "definitions"
    case stages = "ending the stages"
    case rest = "the rest"
    case sequences = "sequences"
    case refreshInside = "materialized views"
    case compare = "comparing"
    case late = "looking for late changes"
    case lateDefinitions = "foreign keys and triggers"
    case wayBack = "the way back"
    case release = "event released"
    case freeTarget = "letting the target be written to"

    /// The application waits while this is done, where the source is fenced.
    public var isInPause: Bool {
        switch self {
        case .follow, .lag, .refreshBefore, .lagAgain, .prepareWayBack, .rehearse, .beforeFence, .freeTarget: false
        case .fence, .inFlight, .end, .apply, .definitions, .stages, .rest, .sequences, .refreshInside, .compare, .late,
            .lateDefinitions, .wayBack, .release:
            true
        }
    }
}

/// The steps of one switchover, by what the user wishes.
public struct SwitchoverPlan: Sendable {
    /// The steps, in their order.
    public let steps: [SwitchoverStep]
    private let wishes: SwitchoverOptions
    private let views: [String]

    /// The plan of a switchover.
    ///
    /// - Parameters:
    ///   - views: the materialized views of the target.
    ///   - hasHook: a program is run with each event.
    ///   - hasLate: definitions were left out of the copy, to come now.
    ///   - isBack: applications return to where they were before the last one.
    public init(_ wishes: SwitchoverOptions, views: [String], hasHook: Bool, hasLate: Bool, isBack: Bool) {
        self.wishes = wishes
        self.views = views
        steps = SwitchoverStep.allCases.filter { step in
            switch step {
            case .follow, .lag, .rehearse, .inFlight, .end, .apply, .definitions, .stages, .rest, .sequences, .late:
                true
            case .refreshBefore, .lagAgain: !views.isEmpty && wishes.refresh == .afterwards
            case .prepareWayBack, .wayBack: wishes.keepsWayBack
            case .beforeFence: wishes.fences && hasHook
            case .fence: wishes.fences
            case .refreshInside: !views.isEmpty && wishes.refresh == .inside
            case .compare: wishes.compares
            case .lateDefinitions: hasLate
            case .release: hasHook
            case .freeTarget: isBack
            }
        }
    }

    /// What is done, a sentence for each step.
    public var sentences: [String] {
        steps.map { sentence($0) }
            + (steps.contains(.refreshBefore) ? ["refresh them again, while the application uses the target"] : [])
    }

    private func sentence(_ step: SwitchoverStep) -> String {
        switch step {
        case .follow: "have the clone that follows continue, or follow here if there is none"
        case .lag:
            "wait until the target is less than \((wishes.maxLag ?? SwitchoverOptions.standardLimit).words) behind, for "
                + "\(wishes.lagPatienceSeconds) s at most"
        case .refreshBefore: "refresh \(views.joined(separator: ", "))"
        case .lagAgain: "wait until the target is as near again"
        case .prepareWayBack: "make slot and publications for the way back, on the target"
        case .rehearse: "open the sessions for what follows, and look at the definitions once"
        case .beforeFence: "run the program for event before-fence"
        case .fence: "make the source's database read-only, and end its other sessions"
        case .inFlight:
            "wait for transactions that are open on the source, for \(wishes.inFlightSeconds) s at most"
        case .end: "take the source's position"
        case .apply: "wait until everything up to it is applied, and prove that the target has it"
        case .definitions: "compare the definitions" + (wishes.acceptsDrift ? ", and continue if they differ" : "")
        case .stages: "have the stages end"
        case .rest:
            wishes.rest == .ignore
                ? "leave what the stream of changes does not carry"
                : "compare what the stream of changes does not carry, and "
                    + "\(wishes.rest == .copy ? "copy" : "refuse") what differs"
        case .sequences: "set the sequences, and verify that none is behind the source's"
        case .refreshInside: "refresh \(views.joined(separator: ", "))"
        case .compare: "compare all rows"
        case .late: "look whether anything was committed on the source after the end position"
        case .lateDefinitions: "make the foreign keys and triggers that were left out (--triggers late)"
        case .wayBack: "write down from where the way back begins"
        case .release: "run the program for event released"
        case .freeTarget: "let the target be written to"
        }
    }
}

extension CloneJournal.Step {
    /// The step of a switchover that it is; nil for one of the copy.
    public var ofSwitchover: SwitchoverStep? { SwitchoverStep(rawValue: name) }
}

extension [CloneJournal.Step] {
    /// How long an application had to wait for a switchover, in seconds: from the fence to the release.
    public var pauseSeconds: Double {
        reduce(0) { $0 + ($1.ofSwitchover?.isInPause == true ? $1.seconds : 0) }
    }
}
