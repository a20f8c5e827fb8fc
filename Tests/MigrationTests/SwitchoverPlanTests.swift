import Testing

@testable import Migration

/// The steps of a switchover, as a dry run lists them and a switchover does them.
@Suite struct SwitchoverPlanTests {
    private static func plan(
        _ change: (inout SwitchoverOptions) -> Void = { _ in }, views: [String] = [], hasHook: Bool = false,
        hasLate: Bool = false, isBack: Bool = false
    ) -> SwitchoverPlan {
        var wishes = SwitchoverOptions()
        change(&wishes)
        return SwitchoverPlan(wishes, views: views, hasHook: hasHook, hasLate: hasLate, isBack: isBack)
    }

    @Test func eachWishAddsItsSteps() {
        let plain = Self.plan().steps
        let changes: [(SwitchoverPlan, Set<SwitchoverStep>)] = [
            (Self.plan({ $0.fences = true }), [.fence]),
            (Self.plan({ $0.fences = true }, hasHook: true), [.beforeFence, .fence, .release]),
            (Self.plan({ $0.keepsWayBack = true }), [.prepareWayBack, .wayBack]),
            (Self.plan({ $0.compares = true }), [.compare]),
            (Self.plan(views: ["v"]), [.refreshBefore, .lagAgain]),
            (Self.plan({ $0.refresh = .inside }, views: ["v"]), [.refreshInside]),
            (Self.plan({ $0.refresh = .never }, views: ["v"]), []), (Self.plan(isBack: true), [.freeTarget]),
            (Self.plan(hasLate: true), [.lateDefinitions]),
        ]
        for (plan, added) in changes {
            #expect(Set(plan.steps).subtracting(plain) == added)
            #expect(plan.steps == SwitchoverStep.allCases.filter { plan.steps.contains($0) }, "the order is one")
        }
    }

    @Test func thePauseIsFromTheFenceToTheRelease() {
        let all = SwitchoverStep.allCases
        let pause = all.filter(\.isInPause)
        #expect(pause.first == .fence && pause.last == .release)
        #expect(Array(all.drop { $0 != .fence }.prefix(pause.count)) == pause)
        let steps = all.map { CloneJournal.Step(name: $0.rawValue, seconds: 1) } + [.init(name: "rows", seconds: 50)]
        #expect(steps.pauseSeconds == Double(pause.count))
    }
}
