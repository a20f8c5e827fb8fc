/// The tables for one type, and statements that change them in all ways.
struct TypeTables: Sendable {
    private let number: Int
    private let type: TypeCase

    init(number: Int, _ type: TypeCase) {
        self.number = number
        self.type = type
    }

    private var plain: String { "plain_\(number)" }
    private var keyed: String { "keyed_\(number)" }
    private var full: String { "full_\(number)" }

    var schema: String {
        var sql = type.setup.isEmpty ? "" : type.setup + ";\n"
        sql += "CREATE TABLE \(plain) (id int PRIMARY KEY, v \(type.type));\n"
        sql += "CREATE TABLE \(full) (n int, v \(type.type)); ALTER TABLE \(full) REPLICA IDENTITY FULL;\n"
        if type.isKey { sql += "CREATE TABLE \(keyed) (v \(type.type) PRIMARY KEY, n int);\n" }
        return sql
    }

    private var literals: [String] {
        // A value that is NULL beside those that only look like it.
        type.values.map { "'" + $0.replacing("'", with: "''") + "'::\(type.type)" } + ["NULL"]
    }

    /// Every value: alone, so that it is an INSERT, and all together, so that it is a COPY.
    var inserts: String {
        var sql = ""
        for (index, value) in literals.enumerated() {
            sql += "INSERT INTO \(plain) VALUES (\(index), \(value));\n"
            sql += "INSERT INTO \(full) VALUES (0, \(value)), (0, \(value));\n"
            if type.isKey && value != "NULL" { sql += "INSERT INTO \(keyed) VALUES (\(value), 0);\n" }
        }
        let many = (0..<12).map { "(\(100 + $0), \(literals[$0 % literals.count]))" }
        sql += "INSERT INTO \(plain) VALUES \(many.joined(separator: ", "));\n"
        return sql
    }

    /// Each value becomes the next one; of two equal rows one changes; a key moves away and a row goes.
    var changes: String {
        let count = literals.count
        return """
            UPDATE \(plain) p SET v = o.v FROM \(plain) o WHERE p.id < \(count) AND o.id = (p.id + 1) % \(count);
            DELETE FROM \(plain) WHERE id > 108;
            UPDATE \(full) SET n = 1 WHERE ctid IN (SELECT max(ctid) FROM \(full) GROUP BY v::text);
            DELETE FROM \(full) WHERE ctid IN (SELECT min(ctid) FROM \(full) WHERE n = 0 GROUP BY v::text LIMIT 1);

            """ + (type.isKey ? "UPDATE \(keyed) SET n = n + 1;\n" : "")
    }

    /// The keys themselves change, and come back.
    var returns: String {
        let first = literals[0]
        var sql = "UPDATE \(plain) SET v = \(first) WHERE id % 2 = 0;\nDELETE FROM \(full) WHERE n = 1;\n"
        if type.isKey {
            sql += """
                CREATE TEMPORARY TABLE kept_\(number) AS TABLE \(keyed);
                DELETE FROM \(keyed) WHERE v::text = (\(first))::text;
                INSERT INTO \(keyed) SELECT v, n + 1 FROM kept_\(number) WHERE v::text = (\(first))::text;
                DELETE FROM \(keyed) WHERE v::text <> (\(first))::text;
                UPDATE \(keyed) SET n = 9;

                """
        }
        return sql
    }
}
