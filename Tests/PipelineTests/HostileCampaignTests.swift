import Glibc
import TestSupport
import Testing

/// Every setting that the owner of a database may change there, with its worst values: the rows are the same, or the
/// program says which setting keeps it from working. `tools/hostile` tries them all; the test suite a few.
@Suite(.serialized, .timeLimit(.minutes(240)))
struct HostileCampaignTests {
    private enum Outcome {
        /// Not even what the migration is for can be done.
        case unusable(String)
        case same
        /// What the program said.
        case refused(String)
        /// What was different, or that something hung.
        case wrong(String)
    }

    private static let seed = getenv("WALRELAY_HOSTILE_SEED").flatMap { UInt64(String(cString: $0)) }
    private static let limit = getenv("WALRELAY_HOSTILE_RUNS").flatMap { Int(String(cString: $0)) } ?? 2
    private static let only = getenv("WALRELAY_HOSTILE_ONLY").map { String(cString: $0) } ?? ""
    private static let groupSize = 40

    @Test(arguments: ["source", "target"])
    func noSettingChangesARow(_ side: String) async throws {
        let cluster = try await side == "source" ? Cluster.shared(.source) : Cluster.shared(.target)
        var groups = HostileValue.groups(
            try await HostileValue.all(on: cluster).filter { Self.only.isEmpty || $0.name.contains(Self.only) },
            size: Self.groupSize, seed: Self.seed ?? 1)
        // Of those that may be refused, the suite tries one that every version has.
        if Self.seed == nil {
            groups =
                groups.prefix(Self.limit) + groups.filter { $0.map(\.description) == ["statement_timeout = '1ms'"] }
        } else {
            groups = Array(groups.prefix(Self.limit))
        }
        var counts = (values: 0, refused: 0, wrong: 0)
        for group in groups {
            counts.values += group.count
            try await judge(group, side, &counts)
        }
        print(
            "hostile: side=\(side) pair=\(try await Cluster.shared(.source).installation.major)-\(try await Cluster.shared(.target).installation.major) groups=\(groups.count) values=\(counts.values) refused=\(counts.refused) wrong=\(counts.wrong) seed=\(Self.seed ?? 1)"
        )
        fflush(nil)
    }

    /// Tries a group, and halves of it until it is known which value it is.
    private func judge(_ group: [HostileValue], _ side: String, _ counts: inout (values: Int, refused: Int, wrong: Int))
        async throws
    {
        let outcome: Outcome
        do {
            outcome = try await self.outcome(of: group, side)
        } catch let error as ApplicationFailure {
            outcome = .unusable(error.message)
        }
        if case .same = outcome { return }
        guard group.count == 1 else {
            let before = (counts.refused, counts.wrong)
            try await judge(Array(group.prefix(group.count / 2)), side, &counts)
            try await judge(Array(group.dropFirst(group.count / 2)), side, &counts)
            if case .unusable = outcome { return }
            if before == (counts.refused, counts.wrong) {
                counts.wrong += 1
                Issue.record("\(side): only together: \(group.map(\.description)): \(outcome)")
            }
            return
        }
        switch outcome {
        case .same: break
        case .unusable(let message):
            print("hostile: \(side): with \(group[0]) the application cannot work either: \(message.suffix(300))")
        case .refused(let message) where names(group[0], message):
            counts.refused += 1
            print("hostile: \(side): \(group[0]) is refused: \(message.suffix(300))")
        case .refused(let message):
            counts.wrong += 1
            Issue.record("\(side): \(group[0]) is refused, and nothing names it: \(message)")
        case .wrong(let message):
            counts.wrong += 1
            Issue.record("\(side): \(group[0]): \(message)")
        }
    }

    private func names(_ value: HostileValue, _ message: String) -> Bool {
        message.contains(value.name)
            || value.value.contains(HostileValue.missing) && message.contains(HostileValue.missing)
    }

    private func outcome(of group: [HostileValue], _ side: String) async throws -> Outcome {
        var outcome = Outcome.wrong("nothing was done")
        try await Rig.run(publication: nil, createsSlot: false) { rig in
            try await application(
                rig, Self.schema + Self.tables.map(\.schema).joined() + Self.tables.map(\.inserts).joined())
            let (cluster, database) =
                side == "source" ? (rig.source, rig.sourceDatabase) : (rig.target, rig.targetDatabase)
            for value in group {
                // Some cannot be set so; a fence of ours is what a read-only source looks like.
                if side == "source" && value.name == "default_transaction_read_only" { continue }
                _ = try? await cluster.sql("ALTER DATABASE \(database) SET \"\(value.name)\" = '\(value.value)'")
            }
            outcome = try await migrate(rig)
            // The settings of the source's database were copied to the target's.
            try await rig.source.sql("ALTER DATABASE \(rig.sourceDatabase) RESET ALL")
            try await rig.target.sql("ALTER DATABASE \(rig.targetDatabase) RESET ALL")
            guard case .same = outcome else { return }
            let differences = try await rig.differences()
            if !differences.isEmpty { outcome = .wrong("\(differences)") }
        }
        return outcome
    }

    private func migrate(_ rig: Rig) async throws -> Outcome {
        let follower = try rig.startClone("--follow")
        defer { follower.killGroup() }
        let deadline = ContinuousClock.now + .seconds(150)
        while !follower.stderr.contains("following the source's changes") {
            if !follower.isRunning { return .refused(follower.stderr) }
            if ContinuousClock.now > deadline { return .wrong("it did not get to following: \(follower.stderr)") }
            try await Task.sleep(for: .milliseconds(50))
        }
        try await application(rig, Self.changes + Self.tables.map(\.changes).joined())
        let switchover = try await rig.shell(
            rig.cloneCommand("switchover --compare --max-lag 10s"), timeout: .seconds(240))
        guard switchover.succeeded else { return .refused(switchover.stderr + follower.stderr) }
        let compare = try await rig.shell(rig.cloneCommand("compare"), timeout: .seconds(240))
        guard compare.succeeded else { return .wrong("\(compare)") }
        let ended = try await follower.wait()
        return ended.exitCode == 0 ? .same : .wrong("\(ended)")
    }

    /// Runs what an application does, which defends itself against the settings of its database.
    private func application(_ rig: Rig, _ sql: String) async throws {
        var options =
            "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"
            + " -c search_path=public -c standard_conforming_strings=on -c backslash_quote=safe_encoding"
            + " -c datestyle=ISO -c intervalstyle=postgres -c array_nulls=on -c xmloption=content -c lc_monetary=C"
            + " -c transform_null_equals=off -c timezone=UTC -c exit_on_error=off -c session_replication_role=origin"
            + " -c default_transaction_isolation=read\\ committed -c default_transaction_deferrable=off"
            + " -c temp_tablespaces= -c default_tablespace= -c default_table_access_method=heap -c temp_file_limit=-1"
            + " -c max_stack_depth=2MB -c session_preload_libraries= -c local_preload_libraries="
            + " -c dynamic_library_path=\\$libdir -c temp_buffers=8MB -c row_security=on -c jit=off"
        if rig.source.installation.major >= 17 { options += " -c transaction_timeout=0" }
        let finished = try await rig.source.psql(
            .bytes(Array(sql.utf8)), database: rig.sourceDatabase, environment: ["PGOPTIONS": options])
        if finished.exitCode != 0 { throw ApplicationFailure(message: finished.stderr) }
    }

    private struct ApplicationFailure: Error {
        var message: String
    }

    private static let tables = [TypeCase](
        TypeCase.all.filter { $0.key != "extensions" }.sorted { $0.key < $1.key }.flatMap(\.value)
    )
    .enumerated().map { TypeTables(number: $0.offset, $0.element) }

    private static let schema = """
        CREATE SCHEMA odd; CREATE SCHEMA evil;
        CREATE TABLE v (id int PRIMARY KEY, m money, a text[], b bytea, e text DEFAULT E'it''s \\\\ so', n int DEFAULT NULL);
        CREATE VIEW nulls AS SELECT id FROM v WHERE m = NULL; CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM v;
        INSERT INTO v VALUES (1, 99.95, '{NULL,"NULL",a}', '\\x00ff'); INSERT INTO v (id) VALUES (2), (3);

        """
    private static let changes = """
        INSERT INTO v SELECT g, 1.5 * g, ARRAY[NULL, 'NULL', g::text], 'bytes' FROM generate_series(10, 40) g;
        UPDATE v SET m = 1234.56, a = NULL WHERE id = 1; UPDATE v SET a = '{NULL}', m = NULL WHERE id > 30;
        DELETE FROM v WHERE id = 20;

        """
}
