import Batches

/// How the sessions of a copy are set up: values mean the same on both sides, and no time-out ends them.
enum CopySettings {
    /// The settings that the text of batches needs are right for COPY too. Triggers and foreign keys are made after
    /// the rows, so that nothing has to be switched off, and it reads whole tables. What it has committed is to survive a
    /// crash, whatever the server does by itself.
    static func list(encoding: String) -> [(name: String, value: String)] {
        let others = [
            "session_replication_role", "synchronous_commit", "default_transaction_isolation", "random_page_cost",
        ]
        return BatchPreamble.settings(encoding: encoding).filter { !others.contains($0.name) }
            + [("synchronous_commit", "local")]
    }
}
