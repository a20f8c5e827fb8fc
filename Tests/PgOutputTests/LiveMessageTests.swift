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
        #expect(try messages.map { try shape(words($0)) } == kept)
    }

    /// The words without what differs from server to server.
    private func shape(_ words: String) -> String {
        words.replacing(/[0-9A-F]+\/[0-9A-F]+/, with: "LSN").replacing(/\d{4,} /, with: "OID ")
            .replacing(/\[\d{4,}(, \d{4,})*\]/) { "\($0.output.0.count(where: { $0 == "," }) + 1) tables" }
            .replacing(/ at \d{4}-.*?\+00/, with: "").replacing(/xid \d+/, with: "").replacing(/messages_\d+/, with: "db")
    }
}
