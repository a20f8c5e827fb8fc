import Postgres

/// What the sessions of a copy need beside `SessionSettings`, which every session has from its beginning: each further
/// setting costs round trips, also while an application waits for a switchover.
package enum CopySettings {
    /// Text in the encoding of the source's rows. What a session has committed is to survive a crash, whatever the server
    /// does by itself.
    package static func list(encoding: String) -> [(name: String, value: String)] {
        let known = SessionSettings.list.contains { $0.name == "client_encoding" && $0.value == encoding }
        return (known ? [] : [("client_encoding", encoding)]) + [("synchronous_commit", "local")]
    }
}
