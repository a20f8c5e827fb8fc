/// SQL for databases with every kind of object that pg_dump knows, each with what can be said of it: comments, owners and
/// privileges. Security labels are missing: no provider of them is at hand.
///
/// Two roles must be there, ``roles``.
enum Fixture {
    /// Makes the roles where they are not there yet: they belong to the whole server.
    static let roles = """
        DO $$ BEGIN
          CREATE ROLE fixture_owner; CREATE ROLE fixture_reader;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$;

        """

    /// Everything that PostgreSQL 15 has.
    static let everything = objects + tables + views

    /// What came with later versions, up to 18.
    static let later = #"""
        CREATE TABLE f.virtual (id int CONSTRAINT named NOT NULL, v int GENERATED ALWAYS AS (id + 1) VIRTUAL, n int, o int, CONSTRAINT own NOT NULL o NO INHERIT); COMMENT ON CONSTRAINT named ON f.virtual IS 'not null';
        INSERT INTO f.virtual (id, n, o) VALUES (1, NULL, 1); ALTER TABLE f.virtual ADD CONSTRAINT lazy NOT NULL n NOT VALID; COMMENT ON CONSTRAINT lazy ON f.virtual IS 'lazy';
        CREATE TABLE f.unenforced (id int PRIMARY KEY, v int CONSTRAINT at_most CHECK (v > 5) NOT ENFORCED, r int, CONSTRAINT loose FOREIGN KEY (r) REFERENCES f.refs NOT ENFORCED); INSERT INTO f.unenforced VALUES (1, 1, -1);
        CREATE TABLE f.periods (id int4range, at tstzrange, PRIMARY KEY (id, at WITHOUT OVERLAPS), n int4range, UNIQUE (n, at WITHOUT OVERLAPS)); CREATE TABLE f.period_refs (id int4range, at tstzrange, FOREIGN KEY (id, PERIOD at) REFERENCES f.periods (id, PERIOD at)); INSERT INTO f.periods VALUES ('[1,2)', '[2024-01-01,2025-01-01)', '[1,2)'); INSERT INTO f.period_refs VALUES ('[1,2)', '[2024-02-01,2024-03-01)');
        GRANT MAINTAIN ON f.main TO fixture_reader; CREATE COLLATION f.builtin (PROVIDER = builtin, LOCALE = 'C.UTF-8'); CREATE INDEX ranges_gin ON f.main USING gin (h);

        """#

    /// Schemas, types, functions, operators, text search and foreign data.
    private static let objects = #"""
        CREATE EXTENSION hstore; CREATE EXTENSION btree_gist;
        CREATE SCHEMA f AUTHORIZATION fixture_owner; COMMENT ON SCHEMA f IS 'of the fixture'; GRANT USAGE ON SCHEMA f TO fixture_reader;
        GRANT CREATE ON SCHEMA f TO fixture_reader WITH GRANT OPTION; CREATE SCHEMA "F q'""s";
        REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'changed';
        COMMENT ON EXTENSION hstore IS 'ours'; ALTER EXTENSION hstore ADD SCHEMA "F q'""s"; ALTER EXTENSION hstore DROP SCHEMA "F q'""s";
        SET search_path = f, public;
        -- Types.
        CREATE TYPE f.mood AS ENUM ('sad', 'it''s', 'ok'); ALTER TYPE f.mood ADD VALUE 'so so' BEFORE 'ok'; COMMENT ON TYPE f.mood IS 'mood';
        ALTER TYPE f.mood OWNER TO fixture_owner; REVOKE USAGE ON TYPE f.mood FROM PUBLIC; GRANT USAGE ON TYPE f.mood TO fixture_reader;
        CREATE TYPE f.pair AS (a int, "b b" text COLLATE "C", m f.mood[]); COMMENT ON TYPE f.pair IS 'pair'; COMMENT ON COLUMN f.pair.a IS 'a';
        CREATE DOMAIN f.positive AS int DEFAULT 3 NOT NULL CONSTRAINT above CHECK (VALUE > 0); COMMENT ON DOMAIN f.positive IS 'positive';
        COMMENT ON CONSTRAINT above ON DOMAIN f.positive IS 'above'; ALTER DOMAIN f.positive ADD CONSTRAINT below CHECK (VALUE < 1000000) NOT VALID;
        CREATE DOMAIN f.word AS text COLLATE "C"; GRANT USAGE ON DOMAIN f.word TO fixture_reader;
        CREATE FUNCTION f.span(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE sql AS 'SELECT $2 - $1';
        CREATE TYPE f.stretch AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = f.span, MULTIRANGE_TYPE_NAME = f.stretches);
        ALTER TYPE f.stretch OWNER TO fixture_owner; COMMENT ON TYPE f.stretch IS 'a range';
        CREATE TYPE f.shell; COMMENT ON TYPE f.shell IS 'not yet';
        CREATE TYPE f.base; CREATE FUNCTION f.base_in(cstring) RETURNS f.base IMMUTABLE STRICT LANGUAGE internal AS 'int4in';
        CREATE FUNCTION f.base_out(f.base) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'int4out';
        CREATE TYPE f.base (INPUT = f.base_in, OUTPUT = f.base_out, LIKE = int4, CATEGORY = 'N', DEFAULT = '7', DELIMITER = ';'); COMMENT ON TYPE f.base IS 'base';
        -- Functions.
        CREATE FUNCTION f.plain(a int, VARIADIC b text[] DEFAULT '{x}') RETURNS TABLE (n int, t text) STABLE PARALLEL SAFE COST 7 ROWS 3 LEAKPROOF SECURITY DEFINER
          LANGUAGE plpgsql SET work_mem = '5MB' SET search_path = f, "$user" AS $f$ BEGIN

        -- TOC entry 1 (class 1 OID 1)
        RETURN QUERY SELECT a, 'x'; END $f$;
        COMMENT ON FUNCTION f.plain IS 'plain'; ALTER FUNCTION f.plain OWNER TO fixture_owner; REVOKE ALL ON FUNCTION f.plain FROM PUBLIC; GRANT EXECUTE ON FUNCTION f.plain TO fixture_reader;
        CREATE FUNCTION f.body(a int, b int = 2) RETURNS int IMMUTABLE BEGIN ATOMIC SELECT a + b; END; CREATE FUNCTION f.returns(a int) RETURNS int IMMUTABLE RETURN a * 2;
        CREATE PROCEDURE f.proc(INOUT a int, OUT b text) LANGUAGE plpgsql AS 'BEGIN a := a + 1; b := a; END'; COMMENT ON PROCEDURE f.proc IS 'proc'; GRANT EXECUTE ON PROCEDURE f.proc TO fixture_reader;
        CREATE PROCEDURE f.atomic_proc(a int) BEGIN ATOMIC SELECT a; END;
        CREATE FUNCTION f.add(int, int) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS 'SELECT $1 + $2'; CREATE FUNCTION f.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE AGGREGATE f.total(int) (SFUNC = f.add, STYPE = int, INITCOND = '0', COMBINEFUNC = f.add, PARALLEL = SAFE); COMMENT ON AGGREGATE f.total(int) IS 'sum';
        CREATE AGGREGATE f.moving(int) (SFUNC = f.add, STYPE = int, MSFUNC = int4pl, MINVFUNC = int4mi, MSTYPE = int, MINITCOND = '0'); GRANT EXECUTE ON FUNCTION f.moving(int) TO fixture_reader;
        CREATE AGGREGATE f.ranked(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
        -- Operators.
        CREATE FUNCTION f.cmp(f.pair, f.pair) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1.a - $2.a';
        CREATE FUNCTION f.pair_lt(f.pair, f.pair) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1.a < $2.a'; CREATE FUNCTION f.pair_gt(f.pair, f.pair) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT $1.a > $2.a';
        CREATE OPERATOR f.<<< (FUNCTION = f.pair_lt, LEFTARG = f.pair, RIGHTARG = f.pair, COMMUTATOR = OPERATOR(f.>>>), RESTRICT = scalarltsel, JOIN = scalarltjoinsel);
        CREATE OPERATOR f.>>> (FUNCTION = f.pair_gt, LEFTARG = f.pair, RIGHTARG = f.pair, COMMUTATOR = OPERATOR(f.<<<)); COMMENT ON OPERATOR f.>>> (f.pair, f.pair) IS 'greater';
        CREATE FUNCTION f.negate(f.pair) RETURNS f.pair IMMUTABLE LANGUAGE sql AS 'SELECT ROW(-$1.a, NULL, NULL)::f.pair'; CREATE OPERATOR f.!! (FUNCTION = f.negate, RIGHTARG = f.pair);
        CREATE OPERATOR FAMILY f.fam USING btree; COMMENT ON OPERATOR FAMILY f.fam USING btree IS 'family'; ALTER OPERATOR FAMILY f.fam USING btree OWNER TO fixture_owner;
        CREATE OPERATOR CLASS f.pair_ops FOR TYPE f.pair USING btree FAMILY f.fam AS OPERATOR 1 f.<<<, OPERATOR 5 f.>>>, FUNCTION 1 f.cmp(f.pair, f.pair);
        COMMENT ON OPERATOR CLASS f.pair_ops USING btree IS 'class'; ALTER OPERATOR FAMILY f.fam USING btree ADD FUNCTION 2 (f.pair, f.pair) btint4sortsupport(internal);
        CREATE FUNCTION f.backcmp(int, int) RETURNS int IMMUTABLE STRICT LANGUAGE sql AS 'SELECT $2 - $1'; CREATE OPERATOR CLASS f.backward FOR TYPE int USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 f.backcmp(int, int);
        CREATE ACCESS METHOD fixture_heap TYPE TABLE HANDLER heap_tableam_handler; COMMENT ON ACCESS METHOD fixture_heap IS 'heap again'; CREATE ACCESS METHOD fixture_btree TYPE INDEX HANDLER bthandler;
        CREATE FUNCTION f.to_pair(int) RETURNS f.pair IMMUTABLE LANGUAGE sql AS 'SELECT ROW($1, NULL, NULL)::f.pair'; CREATE CAST (int AS f.pair) WITH FUNCTION f.to_pair(int) AS ASSIGNMENT;
        COMMENT ON CAST (int AS f.pair) IS 'cast'; CREATE CAST (f.base AS int) WITHOUT FUNCTION; CREATE CAST (f.pair AS varchar) WITH INOUT AS IMPLICIT;
        CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION varchar_support(internal)); COMMENT ON TRANSFORM FOR int LANGUAGE sql IS 'transform';
        CREATE COLLATION f.german (LOCALE = 'C'); CREATE COLLATION f.loose FROM "C"; COMMENT ON COLLATION f.loose IS 'loose'; ALTER COLLATION f.loose OWNER TO fixture_owner;
        CREATE CONVERSION f.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8; CREATE DEFAULT CONVERSION "F q'""s".conv2 FOR 'LATIN2' TO 'UTF8' FROM iso8859_to_utf8; COMMENT ON CONVERSION f.conv IS 'conversion';
        CREATE FUNCTION f.lang() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'; CREATE FUNCTION f.lang_inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler'; CREATE FUNCTION f.lang_check(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
        CREATE TRUSTED LANGUAGE fixture_lang HANDLER f.lang INLINE f.lang_inline VALIDATOR f.lang_check; COMMENT ON LANGUAGE fixture_lang IS 'language'; REVOKE ALL ON LANGUAGE fixture_lang FROM PUBLIC; GRANT USAGE ON LANGUAGE fixture_lang TO fixture_reader;
        -- Text search.
        CREATE TEXT SEARCH PARSER f.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype, HEADLINE = prsd_headline); COMMENT ON TEXT SEARCH PARSER f.parser IS 'parser';
        CREATE TEXT SEARCH TEMPLATE f.template (INIT = dsimple_init, LEXIZE = dsimple_lexize); COMMENT ON TEXT SEARCH TEMPLATE f.template IS 'template';
        CREATE TEXT SEARCH DICTIONARY f.dict (TEMPLATE = f.template, STOPWORDS = english, ACCEPT = false); COMMENT ON TEXT SEARCH DICTIONARY f.dict IS 'dictionary'; ALTER TEXT SEARCH DICTIONARY f.dict OWNER TO fixture_owner;
        CREATE TEXT SEARCH CONFIGURATION f.config (PARSER = f.parser); ALTER TEXT SEARCH CONFIGURATION f.config ADD MAPPING FOR asciiword, word WITH f.dict, simple; COMMENT ON TEXT SEARCH CONFIGURATION f.config IS 'configuration';
        -- Foreign data.
        CREATE FOREIGN DATA WRAPPER fixture_fdw OPTIONS (a 'b'); COMMENT ON FOREIGN DATA WRAPPER fixture_fdw IS 'wrapper';
        GRANT USAGE ON FOREIGN DATA WRAPPER fixture_fdw TO fixture_reader; CREATE SERVER fixture_server TYPE 't' VERSION '1' FOREIGN DATA WRAPPER fixture_fdw OPTIONS (host 'nowhere', dbname 'x'); COMMENT ON SERVER fixture_server IS 'server';
        GRANT USAGE ON FOREIGN SERVER fixture_server TO fixture_reader WITH GRANT OPTION; CREATE USER MAPPING FOR PUBLIC SERVER fixture_server; CREATE USER MAPPING FOR fixture_reader SERVER fixture_server OPTIONS (user 'a', password 'b''c');
        CREATE FOREIGN TABLE f.remote (id int OPTIONS (column_name 'ID') NOT NULL, v text COLLATE "C" DEFAULT 'x', CHECK (id > 0)) SERVER fixture_server OPTIONS (schema_name 's', table_name 't');
        COMMENT ON FOREIGN TABLE f.remote IS 'remote'; COMMENT ON COLUMN f.remote.v IS 'v'; GRANT SELECT (id) ON f.remote TO fixture_reader;
        -- Sequences.
        CREATE SEQUENCE f.small AS smallint INCREMENT -2 MINVALUE -100 MAXVALUE 50 START 40 CACHE 5 CYCLE; COMMENT ON SEQUENCE f.small IS 'down'; GRANT USAGE, SELECT ON SEQUENCE f.small TO fixture_reader;
        CREATE SEQUENCE f.mid AS int START 7; CREATE SEQUENCE f.big OWNED BY NONE; CREATE UNLOGGED SEQUENCE f.unlogged_sequence; ALTER SEQUENCE f.big OWNER TO fixture_owner;

        """#
}
