/// A type and values of it that are easily broken on the way, as the texts that its input function takes.
struct TypeCase: Sendable {
    let type: String
    let values: [String]
    /// SQL that the type needs, for both databases.
    var setup = ""
    /// Whether values can be a primary key.
    var isKey = false

    init(_ type: String, _ values: [String], setup: String = "", isKey: Bool = false) {
        self.type = type
        self.values = values
        self.setup = setup
        self.isKey = isKey
    }

    /// Text with everything that quoting, COPY and batch lines have to escape.
    private static let hostile = [
        "", " ", "null", "NULL", "\\N", "\\.", "\\", "\\\\", "'", "''", "\"", "a\nb", "a\r\nb", "\n", "\t", "a\tb",
        "\u{8}\u{c}\u{b}",
        "-- comment", "; -- rows:9", "COMMIT;", "\n-- walrelay end {\"to\":\"F/0\"}\n", "x\n\\.\nCOMMIT;\n", "$1 $$ %s",
        "\\x41 \\101 \\n", "E'x'", "🐘 ü 漢字 \u{202e}", "\u{feff}", "\u{2028}", "\u{7f}\u{1}", "trailing\\",
        String(repeating: "\\'\"\n\t\r🐘,{}()", count: 8000),
    ]

    /// The cases by kind.
    static let all = ["built in": builtIn, "arrays": containers, "user-defined": userDefined, "extensions": contrib]

    private static let builtIn = [
        TypeCase("text", hostile),
        TypeCase("varchar(20)", ["", "20 characters long!!", "ümlaut   "], isKey: true),
        TypeCase("char(5)", ["", "a", "abcde", "a b"], isKey: true),
        TypeCase("\"char\"", ["", "a", "\\", "'"]),
        TypeCase("name", ["", "x", "\"q\""], isKey: true),
        TypeCase("boolean", ["t", "f"], isKey: true),
        TypeCase("int2", ["-32768", "32767"], isKey: true),
        TypeCase("int8", ["-9223372036854775808", "9223372036854775807", "9007199254740993"], isKey: true),
        TypeCase(
            "numeric",
            [
                "NaN", "Infinity", "-Infinity", "7", "0.00", "-0.10",
                "12345678901234567890123456789.123456789012345678",
                "1e-200", "1e200",
            ], isKey: true),
        TypeCase("numeric(10,3)", ["NaN", "0.001", "-9999999.999"], isKey: true),
        TypeCase(
            "float8", ["NaN", "Infinity", "-Infinity", "-0", "0.1", "5e-324", "1.7976931348623157e308", "1e22"],
            isKey: true),
        TypeCase("float4", ["NaN", "Infinity", "-0", "0.1", "1e-45", "3.4028235e38"], isKey: true),
        TypeCase("money", ["-92233720368547758.08", "0.01", "1234.5"]),
        TypeCase("date", ["infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "5874897-12-31"], isKey: true),
        TypeCase("time", ["00:00:00", "24:00:00", "23:59:59.999999"], isKey: true),
        TypeCase("timetz", ["23:59:59.999999-08", "12:00:00+05:45:30"], isKey: true),
        TypeCase(
            "timestamp", ["infinity", "-infinity", "0001-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"],
            isKey: true),
        TypeCase(
            "timestamptz",
            ["infinity", "-infinity", "0044-03-15 12:00:00+00 BC", "2024-02-29 23:59:59.999999+05:45"], isKey: true),
        TypeCase(
            "interval",
            ["0", "1 year -2 days 03:04:05.678", "-178000000 years", "-1 month 2 days -00:00:00.000001"], isKey: true),
        TypeCase("bytea", ["\\x", "\\x00ff5c270a0d09", "\\x" + String(repeating: "00275c", count: 40000)]),
        TypeCase(
            "uuid", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], isKey: true),
        TypeCase("bit(5)", ["10101", "00000"], isKey: true),
        TypeCase("varbit", ["", "1", "101010101010101"], isKey: true),
        TypeCase("inet", ["::1/64", "192.168.0.1/24", "10.0.0.1"], isKey: true),
        TypeCase("cidr", ["10.0.0.0/8", "::/0"], isKey: true),
        TypeCase("macaddr8", ["08:00:2b:01:02:03:04:05"], isKey: true),
        TypeCase("json", ["{\"a\": [1,  null], \"a\":\"\\u00e9\\n\"}", "null", "\"x\"", "1e400"]),
        TypeCase("jsonb", ["{\"a\": [1, null, \"\\\\N\"]}", "null", "1.10", "\"\\\"\""], isKey: true),
        TypeCase("jsonpath", ["$.a[*] ? (@ > 1)"]),
        TypeCase("xml", ["<a b=\"c\">text &amp; <![CDATA[x\ny]]></a>", "just text", "<?xml version=\"1.0\"?><r/>"]),
        TypeCase("point", ["(1,-2.5)", "(Infinity,NaN)"]),
        TypeCase("box", ["(1,2),(-3,-4)"]), TypeCase("circle", ["<(0,0),1e-10>"]),
        TypeCase("line", ["{1,2,3}"]), TypeCase("lseg", ["[(0,0),(1,1)]"]),
        TypeCase("path", ["((0,0),(1,1),(2,0))", "[(0,0),(1,1)]"]), TypeCase("polygon", ["((0,0),(1,1),(2,0))"]),
        TypeCase("tsvector", ["'a':1A 'it''s':2 'back\\\\slash'", ""]),
        TypeCase("tsquery", ["'a' & !'b' <2> 'c':*", ""]),
        TypeCase("pg_lsn", ["0/0", "FFFFFFFF/FFFFFFFF"], isKey: true),
        TypeCase("oid", ["0", "4294967295"], isKey: true), TypeCase("xid8", ["18446744073709551615"], isKey: true),
        TypeCase("txid_snapshot", ["10:20:10,14,15"]),
        // No cast from text takes the first of these.
        TypeCase("regclass", ["-", "pg_class", "pg_type", "16383"]),
        TypeCase("int4range", ["empty", "[1,5)", "(,)", "[,7)"], isKey: true),
        TypeCase(
            "tstzrange", ["[2024-01-01 00:00:00+00,infinity)", "(,\"2024-01-01 00:00:00+00\"]", "empty"], isKey: true),
        TypeCase("nummultirange", ["{}", "{[1.5,2.5),(3,)}"], isKey: true),
    ]

    private static let containers = [
        TypeCase("int[]", ["{}", "{NULL}", "[2:4]={1,NULL,3}", "[0:1][-1:0]={{1,2},{3,4}}"], isKey: true),
        TypeCase(
            "text[]", ["{\"a,b\",\"c\\\"d\",\"\\\\\\\\\",\"\",NULL,\"NULL\",\"\\\\N\"}", "{{a,b},{c,\"d\n\te\"}}"],
            isKey: true),
        TypeCase("bytea[]", ["{\"\\\\x00ff\",NULL}"]), TypeCase("json[]", ["{\"{\\\"a\\\": [1]}\",NULL}"]),
        TypeCase("timestamptz[]", ["{infinity,\"0044-03-15 12:00:00+00 BC\"}"]),
    ]

    private static let userDefined = [
        TypeCase(
            "odd.\"pa'ir\"", ["(1,\"x,\"\"y\"\"\")", "(,)", "(2,\"\")", "(3,\"a\\\\b\nc\")"],
            setup: "CREATE TYPE odd.\"pa'ir\" AS (a int, \"b\"\"c\" text)", isKey: true),
        TypeCase(
            "odd.nested[]", ["{\"(1,\\\"(2,z)\\\")\",NULL}"],
            setup: "CREATE TYPE odd.inner AS (a int, b text); CREATE TYPE odd.nested AS (a int, i odd.inner)",
            isKey: true),
        TypeCase(
            "odd.\"Mood\"", ["sad", "it's \"ok\"", "back\\slash"],
            setup: "CREATE TYPE odd.\"Mood\" AS ENUM ('sad', 'it''s \"ok\"', 'back\\slash')", isKey: true),
        TypeCase(
            "odd.\"Mood2\"[]", ["{a,\"b c\"}"], setup: "CREATE TYPE odd.\"Mood2\" AS ENUM ('a', 'b c')", isKey: true),
        TypeCase(
            "odd.small", ["1", "99"], setup: "CREATE DOMAIN odd.small AS int CHECK (VALUE < 100)", isKey: true),
        TypeCase("odd.list", ["{1,2}", "{}"], setup: "CREATE DOMAIN odd.list AS int[]", isKey: true),
        TypeCase(
            "odd.floats", ["[1.5,2.5]", "empty"], setup: "CREATE TYPE odd.floats AS RANGE (subtype = float8)",
            isKey: true),
    ]

    private static let contrib = [
        TypeCase("odd.citext", ["Case", "CASE ", ""], setup: "CREATE EXTENSION citext SCHEMA odd", isKey: true),
        TypeCase("odd.case_free", ["Case", "x"], setup: "CREATE DOMAIN odd.case_free AS odd.citext", isKey: true),
        TypeCase(
            "odd.hstore", ["", "\"a b\"=>\"c\\\"d\", \"n\"=>NULL, \"\"=>\"\""],
            setup: "CREATE EXTENSION hstore SCHEMA odd", isKey: true),
        TypeCase("odd.pairs", ["a=>1"], setup: "CREATE DOMAIN odd.pairs AS odd.hstore", isKey: true),
        TypeCase("odd.ltree", ["Top.Science", ""], setup: "CREATE EXTENSION ltree SCHEMA odd", isKey: true),
        TypeCase("odd.cube", ["(1, 2),(3, 4)"], setup: "CREATE EXTENSION cube SCHEMA odd", isKey: true),
    ]
}
