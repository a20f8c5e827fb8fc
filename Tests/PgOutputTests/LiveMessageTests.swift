import PgOutput
import Testing

@Suite(.timeLimit(.minutes(2))) struct LiveMessageTests {
    @Test func everyMessageOfTheRunningServerDecodes() async throws {
        let messages = try await EveryMessage.capture()
        let kinds = Set(messages.compactMap { $0.first.flatMap(MessageKind.init(rawValue:)) })
        #expect(
            kinds == [
                .begin, .commit, .origin, .relation, .type, .insert, .update, .delete, .truncate, .logicalMessage,
            ])
        for message in messages { _ = try words(message) }
        // What was sent is the same as ever, but for positions, ids and moments.
        let kept = try GoldenMessages.all.map { try shape(words($0)) }
        let found = try messages.map { try shape(words($0)) }
        #expect(found == kept)
    }

    /// The words without what differs from server to server.
    private func shape(_ words: String) -> String {
        words.replacing(/xid\s\d+/, with: "xid").replacing(/[0-9A-F]+\/[0-9A-F]+/, with: "LSN")
            .replacing(/\b\d{4,}\b/, with: "OID").replacing(/\bat\s[^ ]+\s[^ ]+\+00/, with: "")
            .replacing(/messages_\d+/, with: "database")
    }
}
