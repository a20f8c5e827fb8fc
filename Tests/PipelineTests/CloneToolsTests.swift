import Observability
import TestSupport
import Testing

/// Which pg_dump and pg_restore are taken, and that those of a newer version than the target's do.
@Suite(.serialized, .timeLimit(.minutes(3)))
struct CloneToolsTests {
    /// What runs clone with a PATH of its own, and a folder of client programs hidden or not.
    private static func clone(_ rig: Rig, _ arguments: String, path: String) async throws -> Finished {
        try await rig.shell(
            "PATH='\(path)':\"$(dirname \"$(command -v clone)\")\":/bin; exec clone \(arguments) --source \"$SOURCE\" --target \"$TARGET\" "
                + "--dir \"$SPOOL\" --slot-name \"$NAME\" --origin \"$NAME\"")
    }

    @Test(.enabled(if: OtherServers.majors.contains(18))) func theProgramsOfTheServersVersionAreFound() async throws {
        try await Rig.run(targetMajor: 15, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Rig.wholeSchema + Rig.wholeRows)
            let newest = try await PostgresInstallation.of(major: 18).bindir
            let check = try await Self.clone(rig, "check --follow --all", path: newest)
            #expect(check.output.contains("/pg_dump, version 15"), "\(check)")
            #expect(check.output.contains("were made and rolled back"), "\(check)")
            try await Self.clone(rig, "--follow --endpos current", path: newest).checked("clone")
            try await rig.expectCloned()
        }
    }

    /// Only newer programs are there, for servers that do not know all settings of theirs.
    @Test(.enabled(if: OtherServers.majors.contains(18) && OtherServers.majors.contains(16)))
    func newerProgramsDoForOlderServers() async throws {
        try await Rig.run(
            source: .shared(.source, major: 16), target: .shared(.target, major: 16), publication: nil,
            createsSlot: false
        ) { rig in
            try await rig.onSource(
                Rig.wholeSchema + Rig.wholeRows
                    + """
                    CREATE VIEW grouped AS SELECT id, v FROM child GROUP BY id; CREATE TABLE orphans (id int REFERENCES child);
                    SET session_replication_role = replica; INSERT INTO orphans VALUES (-1);
                    """)
            let newest = try await PostgresInstallation.of(major: 18).bindir
            let check = try await Self.clone(rig, "check --follow --all", path: newest)
            #expect(check.output.contains("\(newest)/pg_restore, version 18"), "\(check)")
            #expect(check.output.contains("were made and rolled back"), "\(check)")
            let clone = try await Self.clone(
                rig, "--follow --endpos current --index-early-larger-than 8kB", path: newest
            ).checked("clone")
            #expect(!clone.stderr.contains("transaction_timeout"), "\(clone)")
            #expect(clone.output.contains("orphans_id_fkey: rows violate it"), "\(clone)")
            try await rig.onSource("ALTER TABLE orphans DROP CONSTRAINT orphans_id_fkey")
            try await rig.onTarget("ALTER TABLE orphans DROP CONSTRAINT orphans_id_fkey")
            try await rig.expectCloned()
        }
    }

    /// What the target does not know by itself does not hide what it refuses.
    @Test(.enabled(if: OtherServers.majors.contains(18) && OtherServers.majors.contains(16)))
    func anErrorOfANewerProgramIsStillOne() async throws {
        try await Rig.run(
            source: .shared(.source, major: 16), target: .shared(.target, major: 16), publication: nil,
            createsSlot: false
        ) { rig in
            try await rig.onSource(Refused.sql)
            let newest = try await PostgresInstallation.of(major: 18).bindir
            let clone = try await Self.clone(rig, "", path: newest)
            #expect(clone.exitCode == ExitStatus.conflict.rawValue, "\(clone)")
            #expect(
                clone.stderr.contains("no_such_library") && !clone.stderr.contains("transaction_timeout"), "\(clone)")
        }
    }

    /// A function that no server takes any more.
    private enum Refused {
        static let sql = """
            CREATE TABLE fine (id int PRIMARY KEY);
            CREATE FUNCTION missing() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
            UPDATE pg_proc SET probin = '$libdir/no_such_library' WHERE proname = 'missing';
            """
    }

    @Test func aDefinitionThatTheTargetRefusesIsNamedByCheck() async throws {
        try await Rig.run(targetMajor: 15, publication: nil, createsSlot: false) { rig in
            try await rig.onSource(Refused.sql)
            let check = try await rig.clone("check")
            #expect(check.exitCode == ExitStatus.conflict.rawValue, "\(check)")
            #expect(check.output.contains("FUNCTION public missing() cannot be made on the target"), "\(check)")
            #expect(try await rig.onTarget("SELECT count(*) FROM pg_class WHERE relname = 'fine'") == "0")
        }
    }
}
