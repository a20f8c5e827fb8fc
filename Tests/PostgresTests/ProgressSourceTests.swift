import Postgres
import Testing

/// Which streams may continue from a position that a target has.
@Suite struct ProgressSourceTests {
    private func lsn(_ value: UInt64) -> LSN { LSN(rawValue: value) }

    private func row(timeline: UInt32 = 1, position: UInt64 = 100, log: String? = "log") -> ProgressRow {
        ProgressRow(
            position: lsn(position), timeline: timeline, systemIdentifier: "7", database: "app", slot: "s", logID: log)
    }

    private func source(
        system: String = "7", database: String = "app", slot: String = "s", log: String? = "log", timeline: UInt32 = 1,
        history: [TimelineEnd] = []
    ) -> ProgressSource {
        ProgressSource(
            systemIdentifier: system, database: database, slot: slot, logID: log, timeline: timeline, history: history)
    }

    @Test func theSameSourceAndLogContinue() {
        #expect(row().conflict(with: source()) == nil)
        // The log's name is made with the slot's.
        #expect(row().conflict(with: source(slot: "another")) == nil)
        #expect(row(log: nil).conflict(with: source()) == nil)
    }

    @Test func anotherSourceOrLogDoesNot() {
        #expect(row().conflict(with: source(system: "8")) == .source)
        #expect(row().conflict(with: source(database: "other")) == .source)
        #expect(row().conflict(with: source(system: "8"), accepting: "log") == .source)
        #expect(row().conflict(with: source(log: "new")) == .log)
        #expect(row().conflict(with: source(log: nil)) == .log)
        #expect(row(log: nil).conflict(with: source(slot: "another")) == .log)
        #expect(row().conflict(with: source(log: "new"), accepting: "new") == nil)
        #expect(row().conflict(with: source(log: "new"), accepting: "newer") == .log)
    }

    @Test func aTimelineIsFollowedUpToItsFork() {
        let history = [TimelineEnd(timeline: 1, end: lsn(100)), TimelineEnd(timeline: 2, end: lsn(200))]
        #expect(row(position: 100).conflict(with: source(timeline: 3, history: history)) == nil)
        #expect(
            row(position: 101).conflict(with: source(timeline: 3, history: history)) == .branchedOff(at: lsn(100)))
        #expect(row(timeline: 2, position: 200).conflict(with: source(timeline: 3, history: history)) == nil)
        #expect(row(timeline: 2).conflict(with: source(timeline: 3, history: [history[0]])) == .unknownTimeline)
        // An older part of the log may repeat what the target has.
        #expect(row(timeline: 2, position: 150).conflict(with: source(timeline: 1)) == nil)
        #expect(row(timeline: 0).conflict(with: source(timeline: 3)) == nil)
    }

    @Test func aRowOfVersion01IsAnybodys() {
        let old = ProgressRow(
            position: lsn(5), timeline: 0, systemIdentifier: "", database: "", slot: "", logID: nil)
        #expect(old.isUnclaimed && old.conflict(with: source(timeline: 4)) == nil)
    }
}
