import TestSupport
import Testing

/// Values go through the input functions of their types. A cast from text, which whoever owns the type can make, would run with
/// replay's rights, and can make another value of it.
@Suite(.serialized, .timeLimit(.minutes(5)))
struct CastTests {
    private static let types = """
        CREATE TYPE mood AS ENUM ('a', 'b', 'c'); CREATE TYPE pair AS (x int, y text); CREATE TYPE span AS RANGE (subtype = int4);
        CREATE DOMAIN code AS text;
        """

    /// A cast for each type, and each type's array, that would give another value, and leaves a trace.
    private static let casts = ["mood", "mood[]", "pair", "pair[]", "span", "code[]"].enumerated().map { number, type in
        """
        CREATE FUNCTION trap_\(number)(text) RETURNS \(type) LANGUAGE plpgsql AS
          $$ BEGIN PERFORM nextval('called'); RETURN NULL; END $$;
        CREATE CAST (text AS \(type)) WITH FUNCTION trap_\(number)(text) AS ASSIGNMENT;
        """
    }.joined(separator: "\n")

    private static let tables = """
        CREATE TABLE e (id int PRIMARY KEY, m mood, ms mood[], p pair, ps pair[], s span, c code, cs code[], plain int[]);
        CREATE TABLE k (m mood, n int, v text, PRIMARY KEY (m, n));
        CREATE TABLE w (m mood, c code, v text); ALTER TABLE w REPLICA IDENTITY FULL;
        """

    @Test(arguments: ["net", "source"]) func castsFromTextAreNotCalled(_ order: String) async throws {
        try await Rig.run("CREATE SEQUENCE called; \(Self.types) \(Self.casts) \(Self.tables)") { rig in
            try await rig.onSource(
                """
                INSERT INTO e SELECT g, 'a', '{a,b}', '(1,x)', '{"(1,x)","(2,\\"y z\\")"}', '[1,5)', 'c' || g, '{p,q}', '{1,NULL}'
                  FROM generate_series(1, 30) g;
                INSERT INTO k SELECT 'a', g, 'v' FROM generate_series(1, 30) g; INSERT INTO w SELECT 'a', g, g FROM generate_series(1, 30) g;
                """)
            try await rig.takeIn(order)
            let position = try await rig.onTarget("SELECT position FROM walrelay.progress")
            try await rig.onSource(
                """
                UPDATE e SET m = 'c', ms = '{c,NULL,"b"}', p = '(3,"it''s; \\\\")', ps = NULL, s = '[2,9)', c = E'a\\nb', cs = '{"x y"}',
                  plain = '{2}' WHERE id < 20;
                UPDATE e SET m = NULL WHERE id BETWEEN 20 AND 25; DELETE FROM e WHERE id > 27;
                UPDATE k SET v = 'new' WHERE n < 9; UPDATE k SET m = 'b' WHERE n BETWEEN 9 AND 15; DELETE FROM k WHERE n > 20;
                UPDATE w SET m = 'b', c = 'x' || v WHERE v < '2'; DELETE FROM w WHERE v > '7';
                """)
            try await rig.takeIn(order, from: position)
            #expect(try await rig.onTarget("SELECT is_called FROM called") == "f", "a cast was called")
            try await rig.expectEqual()
        }
    }
}

extension Rig {
    /// Takes in what there is, and applies it.
    fileprivate func takeIn(_ order: String, from position: String? = nil) async throws {
        try await capture()
        let ordered = order == "net" ? "" : "--ordered"
        let from = position.map { "--from \($0)" } ?? ""
        try await shell("transform \"$SPOOL\" \(ordered) \(from) | replay").checked("transform | replay")
    }
}
