import Postgres
import Selection
import TestSupport
import Testing
@testable import Catalog
@testable import Migration

/// What the source tells about the tables to be copied.
struct CopiedTableTests {
    @Test func binaryFormsAreUsedWhereTheyMeanTheSameEverywhere() async throws {
        let cluster = try await Cluster.shared(.source)
        let database = try await cluster.createDatabase()
        let binary = ["int4", "numeric(9,2)", "text", "char(5)", "jsonb", "bytea", "uuid[]", "timestamptz", "mood"]
        // Object ids of this one database, forms that are not promised, or types that someone else has made.
        let text = [
            "pair", "mood[]", "int4range", "regclass", "xml", "money", "\"char\"", "domained", "pair[]", "tsvector",
            "oidvector", "point", "hstore",
        ]
        var tables = """
            CREATE EXTENSION hstore; CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int, b int);
            CREATE DOMAIN domained AS int; CREATE TABLE without ();

            """
        for (kind, types) in [("binary", binary), ("text", text)] {
            for (index, type) in types.enumerated() {
                tables += "CREATE TABLE \(kind)_\(index) (id int, gone xml, v \(type)); "
                tables += "ALTER TABLE \(kind)_\(index) DROP gone;\n"
            }
        }
        try await cluster.sql(tables, database: database)
        let source = try ConnectionString(cluster.connectionString(database: database))
        let found = try SourceSnapshot(source, snapshot: nil, encoding: "UTF8").tables(Selection())
        #expect(found.count == binary.count + text.count + 1)
        for table in found {
            #expect(table.isBinary == !table.name.contains("text_"), "\(table.name)")
        }
        try await cluster.dropDatabase(database)
    }
}
