import Foundation
import PgOutput
import Testing

@testable import Spool

/// The names that tables had are kept over restarts, each once, and what a crash left of a line is passed over.
@Suite struct RelationNamesTests {
    private static func relation(_ id: UInt32, _ name: String, _ columns: [String]) -> Relation {
        Relation(
            id: id, namespace: "s", name: name, replicaIdentity: .primaryKey,
            columns: columns.map { Relation.Column(isKey: false, name: $0, typeOID: 25) })
    }

    private static func inSpool(_ body: (SpoolDirectory) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "names-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let spool = SpoolDirectory(folder)
        withExtendedLifetime(
            try spool.open(for: SpoolIdentity(systemIdentifier: "1", database: "d", slot: "s"))
        ) {}
        try body(spool)
    }

    @Test func eachIsWrittenOnce() throws {
        try Self.inSpool { spool in
            for round in 1...2 {
                var names = try RelationNames(spool)
                let file = try RelationNamesFile(spool)
                for _ in 1...2 {
                    _ = names.note(Self.relation(1, "a", ["x", "y"]))
                    _ = names.note(Self.relation(2, "b\n\"", []))
                }
                let lines = names.takeUnwritten()
                #expect((lines != nil) == (round == 1))
                try file.append(lines ?? [])
                try file.sync()
                #expect(names.takeUnwritten() == nil)
            }
            #expect(
                try NamedRelation.all(in: spool) == [
                    NamedRelation(relation: 1, schema: "s", table: "a", columns: ["x", "y"]),
                    NamedRelation(relation: 2, schema: "s", table: "b\n\"", columns: []),
                ])
        }
    }

    @Test func aTornLineIsCutOff() throws {
        try Self.inSpool { spool in
            let lines = JSON.encode(NamedRelation(Self.relation(1, "a", ["x"]))) + [0x0A]
            let next = JSON.encode(NamedRelation(Self.relation(2, "b", ["x"]))) + [0x0A]
            for length in 0..<next.count {
                let path = spool.statePath + "/relations.jsonl"
                try Data(lines + next.prefix(length)).write(to: URL(fileURLWithPath: path))
                #expect(try NamedRelation.all(in: spool).count == (length == next.count - 1 ? 2 : 1))
                try RelationNamesFile(spool).append(next)
                #expect(try NamedRelation.all(in: spool).map(\.relation) == [1, 2])
            }
        }
    }

    @Test(arguments: [
        ("a", ["x", "y"], false), ("b", ["x", "y"], true), ("a", ["y", "x"], true), ("a", ["x", "y", "z"], false),
        ("a", ["x"], false), ("a", ["x", "q"], true), ("a", [], false),
    ]) func whatIsRenamedIsTold(_ name: String, _ columns: [String], _ isRenamed: Bool) throws {
        try Self.inSpool { spool in
            var names = try RelationNames(spool)
            #expect(names.note(Self.relation(1, "a", ["x", "y"])) == nil)
            #expect((names.note(Self.relation(1, name, columns)) != nil) == isRenamed)
        }
    }
}
