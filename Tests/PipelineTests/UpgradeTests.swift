import TestSupport
import Testing

/// A target that is upgraded in place between two runs: its position comes along.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct UpgradeTests {
    private static let majors = OtherServers.majors.sorted().suffix(2)

    @Test(.enabled(if: majors.count == 2, "\(OtherServers.reason)"))
    func aTargetThatWasUpgradedContinues() async throws {
        let (before, after) = (Self.majors[Self.majors.startIndex], Self.majors[Self.majors.endIndex - 1])
        let old = try await Cluster.start(
            name: "to upgrade", installation: try await OtherServers.installation(before))
        let new = try await Cluster.start(name: "upgraded", installation: try await OtherServers.installation(after))
        try await Rig.run("CREATE TABLE t (id int PRIMARY KEY)", target: old) { rig in
            try await rig.onSource("INSERT INTO t SELECT generate_series(1, 100)")
            try await rig.catchUp()
            let position = try await rig.position()
            try await rig.upgrade(old, to: new)
            try await rig.onSource("INSERT INTO t SELECT generate_series(101, 200)")
            try await rig.capture()
            let target = "export TARGET='\(new.connectionString(database: rig.targetDatabase))'; "
            let asked = try await rig.shell(target + "replay --position").checked("replay")
            #expect(asked.outputLines == [position])
            try await rig.shell(target + "transform --from \(position) \"$SPOOL\" | replay").checked("replay")
            let differences = try await DatabaseComparison.differences(
                source: (rig.source, rig.sourceDatabase), target: (new, rig.targetDatabase))
            #expect(differences == [])
            try await old.startAgain()
        }
        try await old.remove()
        try await new.remove()
    }
}

extension Rig {
    /// Stops both servers, and has pg_upgrade bring what the old one holds to the new one, which is started then.
    func upgrade(_ old: Cluster, to new: Cluster) async throws {
        try await old.stop()
        try await new.stop()
        // Newer servers have checksums unless they are told otherwise.
        try await shell(
            """
            as=; [ "$(id -u)" -ne 0 ] || as='runuser -u postgres --'
            cd '\(new.folder)' && $as \(new.installation.bindir)/pg_checksums --disable -D '\(new.dataFolder)' >/dev/null 2>&1
            $as \(new.installation.bindir)/pg_upgrade -U postgres -b \(old.installation.bindir) \
              -B \(new.installation.bindir) -d '\(old.dataFolder)' -D '\(new.dataFolder)'
            """, timeout: .seconds(200)
        ).checked("pg_upgrade")
        try await new.startAgain()
    }
}
