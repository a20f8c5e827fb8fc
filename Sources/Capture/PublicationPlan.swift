import Postgres

/// Which tables to publish, so that no statement of the source's application begins to fail.
///
/// A table whose UPDATEs cannot say which row they mean is published for INSERT and TRUNCATE only: published for all,
/// its UPDATEs would be refused by the source; not published at all, its new rows would be lost.
struct PublicationPlan: Equatable {
    /// Published with all their changes, as SQL names.
    private(set) var whole: [String] = []
    /// Published for INSERT and TRUNCATE.
    private(set) var insertsOnly: [String] = []
    /// Stored generated columns must be published, because a replica identity contains one (18 and newer).
    private(set) var publishesGenerated = false
    /// What is not replicated, and the statement that would change it; at most two for each table.
    private(set) var remarks: [PublicationRemark] = []

    /// The plan for these tables, on a server of this version.
    ///
    /// - Parameter isSelected: asked with schema and name; what it does not want is published only where a partitioned
    ///   table above it is.
    init(
        _ tables: [SourceTable], serverVersion: Int, isSelected: (String, String) -> Bool = { _, _ in true }
    ) {
        var leaves: [UInt32: [SourceTable]] = [:]
        for table in tables where table.kind == .ordinary {
            if let root = table.root { leaves[root, default: []].append(table) }
        }
        // A partitioned table in a publication brings its partitions, also those that are made later.
        let roots = serverVersion >= 130_000 ? tables.filter { $0.kind == .partitioned && $0.root == $0.oid } : []
        var covered: Set<UInt32> = []
        var coveredForInserts: Set<UInt32> = []
        for root in roots where root.owningExtension == nil && isSelected(root.schema, root.name) {
            let isSafe = (leaves[root.oid] ?? []).allSatisfy { $0.canPublishUpdates(serverVersion) || $0.isUnlogged }
            if root.hasPrimaryKey && isSafe {
                covered.insert(root.oid)
                whole.append(Self.name(root))
            } else {
                coveredForInserts.insert(root.oid)
                insertsOnly.append(Self.name(root))
                remarks.append(
                    PublicationRemark(
                        Self.name(root),
                        "UPDATE and DELETE of partitions that are made later will NOT be replicated, because it has no "
                            + "primary key that all partitions share"))
            }
        }
        for table in tables where table.kind != .partitioned && isSelected(table.schema, table.name) {
            if let remark = Self.reasonToLeaveOut(table) {
                remarks.append(remark)
                continue
            }
            let isCovered = table.root.map { covered.contains($0) } ?? false
            if table.canPublishUpdates(serverVersion) {
                if !isCovered { whole.append(Self.name(table)) }
            } else {
                if !(table.root.map { coveredForInserts.contains($0) } ?? false) {
                    insertsOnly.append(Self.name(table))
                }
                remarks.append(Self.remedy(for: table))
            }
            if serverVersion >= 180_000 && table.canPublishUpdates(serverVersion) && table.needsGenerated {
                publishesGenerated = true
            }
        }
    }

    private static func name(_ table: SourceTable) -> String {
        Quoting.qualified(table.schema, table.name)
    }

    private static func reasonToLeaveOut(_ table: SourceTable) -> PublicationRemark? {
        let name = name(table)
        if let owner = table.owningExtension {
            return PublicationRemark(
                name,
                "NOT replicated, because it belongs to the extension \(Quoting.identifier(owner)), which fills it on the "
                    + "target; if you change its rows, run ALTER PUBLICATION … ADD TABLE … before the slot is made")
        }
        if table.kind == .foreign {
            return PublicationRemark(name, "NOT replicated, because the rows of a foreign table are on another server")
        }
        if table.isUnlogged {
            return PublicationRemark(
                name, "NOT replicated, because it is unlogged", statement: "ALTER TABLE \(name) SET LOGGED;")
        }
        return nil
    }

    private static func remedy(for table: SourceTable) -> PublicationRemark {
        let name = name(table)
        let identity: String? =
            if table.identity != .primaryKey && table.hasPrimaryKey && !table.hasGeneratedKey {
                "DEFAULT"
            } else if let index = table.identityIndex {
                "USING INDEX \(Quoting.identifier(index))"
            } else {
                table.hasVirtualGenerated ? nil : "FULL"
            }
        return PublicationRemark(
            name,
            "INSERT and TRUNCATE are replicated, UPDATE and DELETE are NOT, because nothing identifies the row that is meant",
            statement: identity.map { "ALTER TABLE \(name) REPLICA IDENTITY \($0);" }
                ?? "ALTER TABLE \(name) ADD PRIMARY KEY (…);",
            isReady: identity != nil)
    }
}

extension PublicationPlan {
    /// The statements that make the publications.
    ///
    /// - Parameter mark: the comment by which we know them again.
    func statements(named name: String, mark: String) -> [String] {
        var statements = statements(named: name, tables: whole, options: [], mark: mark)
        if !insertsOnly.isEmpty {
            statements += self.statements(
                named: PublicationPlan.insertsName(name), tables: insertsOnly,
                options: ["publish = 'insert, truncate'"],
                mark: mark)
        }
        return statements
    }

    private func statements(named name: String, tables: [String], options: [String], mark: String) -> [String] {
        let publication = Quoting.identifier(name)
        var create = "CREATE PUBLICATION \(publication)"
        // ONLY: a table that inherits from another is published for itself, or not.
        if !tables.isEmpty { create += " FOR TABLE " + tables.map { "ONLY " + $0 }.joined(separator: ", ") }
        let all = options + (publishesGenerated ? ["publish_generated_columns = 'stored'"] : [])
        if !all.isEmpty { create += " WITH (\(all.joined(separator: ", ")))" }
        return [create, "COMMENT ON PUBLICATION \(publication) IS \(Quoting.literal(mark))"]
    }

    /// The name of the second publication.
    static func insertsName(_ name: String) -> String { name + "_inserts" }
}
