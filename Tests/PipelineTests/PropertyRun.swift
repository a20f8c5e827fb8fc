import Glibc
import TestSupport
import Testing

/// A case on real servers: the load, one capture of it, and several renderings, each onto its own copy of the target.
struct PropertyRun {
    let property: PropertyCase
    let rig: Rig

    /// Runs a case and returns what went wrong, nothing when source and target are equal for every rendering.
    static func failures(seed: UInt64, renderings: Int) async throws -> [String] {
        let property = PropertyCase(seed: seed)
        let publication =
            "FOR ALL TABLES" + (property.publishesRoot ? " WITH (publish_via_partition_root = true)" : "")
        var failures: [String] = []
        try await Rig.run(publication: publication, createsSlot: false) { rig in
            let run = PropertyRun(property: property, rig: rig)
            failures = try await run.failures(renderings)
            if !failures.isEmpty { try await run.keep() }
        }
        return failures
    }

    private func failures(_ count: Int) async throws -> [String] {
        try await prepare()
        try await load()
        try await rig.capture("--segment-size", property.isStreamed ? "64kB" : "16MB")
        var random = property.random
        // The usual way is always among them.
        let usual = PropertyRendering.all.filter { $0.arguments.isEmpty }
        // The others take turns, so that a few seeds come by all of them.
        let others = (0..<max(0, count - 1)).map { index in
            PropertyRendering.all[(Int(property.seed) * (count - 1) + index) % PropertyRendering.all.count]
        }
        let chosen = [random.pick(usual)] + others
        var failures: [String] = []
        for (number, rendering) in chosen.enumerated() {
            failures += try await apply(rendering, number).map { "\(rendering): \($0)" }
        }
        return failures
    }

    private func prepare() async throws {
        if property.isStreamed {
            try await rig.onSource(
                "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', "
                    + "current_database()); END $$")
        }
        try await rig.onSource(property.sourceSchema)
        try await rig.onTarget(property.targetSchema)
        // Rows whose key is taken are left out, on both sides alike.
        try rig.folder.write("initial.sql", property.initialRows)
        try await rig.shell(
            "for side in \"$SOURCE\" \"$TARGET\"; do psql -Xqo /dev/null -d \"$side\" -f initial.sql 2>log || exit; done"
        ).checked("psql")
        try await rig.receive("--create-slot").checked("receive")
    }

    /// All sessions at once. Statements may fail: two sessions want the same row, or a key is taken.
    private func load() async throws {
        for (number, session) in property.sessions.enumerated() {
            try rig.folder.write("session.\(number)", session)
        }
        try await rig.shell(
            """
            for n in \(property.sessions.indices.map(String.init).joined(separator: " ")); do
                psql -Xqo /dev/null -d "$SOURCE" -f session.$n >log.$n 2>&1 & pids+=($!)
            done
            for pid in ${pids[@]}; do wait $pid || exit; done
            """
        ).checked("psql")
        try await rig.onSource(property.tables.map(\.lastSourceChanges).joined())
    }

    /// Applies the spool to a new copy of the target and says what differs.
    private func apply(_ rendering: PropertyRendering, _ number: Int) async throws -> [String] {
        let database = "\(rig.targetDatabase)_\(number)"
        let stream = "\(rig.name)_\(number)"
        try await rig.target.sql("CREATE DATABASE \(database) TEMPLATE \(rig.targetDatabase)")
        let string = rig.target.connectionString(database: database)
        let lanes = rendering.lanes > 1 ? " --jobs \(rendering.lanes) --jobs-min-changes 1 --spool \"$SPOOL\"" : ""
        let sink =
            rendering.isPsql
            ? "psql -Xqo /dev/null -d '\(string)'" : "command replay --target '\(string)' --origin \(stream)\(lanes)"
        let transform = "command transform --origin \(stream) \(rendering.arguments)"
        var script = "\(transform) \"$SPOOL\" | \(sink)"
        if rendering.isHalved {
            script = """
                middle=$(command inspect show --json "$SPOOL" | sed -nE 's/.*"kind":"commit".*"lsn":"([^"]*)".*/\\1/p' |
                    awk '{ l[NR] = $0 } END { print l[int((NR + 1) / 2)] }')
                \(transform) --to $middle "$SPOOL" | \(sink) || exit
                \(transform) --from $middle "$SPOOL" | \(sink)
                """
        }
        let applied = try await rig.shell(script)
        var failures: [String] = []
        if applied.succeeded {
            let last = property.tables.map(\.lastTargetChanges).joined()
            if !last.isEmpty { try await rig.target.sql(last, database: database) }
            failures = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (rig.target, database))
        } else {
            failures = ["\(applied)"]
        }
        try await rig.target.dropDatabase(database)
        return failures
    }

    /// Copies all that a failure can be looked at with to the folder that the environment names.
    private func keep() async throws {
        guard let folder = getenv("WALRELAY_PROPERTY_KEEP").map({ String(cString: $0) }), !folder.isEmpty else {
            return
        }
        try rig.folder.write("source.sql", property.sourceSchema)
        try rig.folder.write("target.sql", property.targetSchema)
        try await rig.shell("mkdir -p '\(folder)' && cp -r . '\(folder)/seed-\(property.seed)'").checked("cp")
    }
}
