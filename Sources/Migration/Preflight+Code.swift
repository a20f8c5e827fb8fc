import Capture
import Catalog
import Observability
import Postgres

// Code of others that runs when rows are written, and what else users made that touches rows and keys.
extension Preflight {
    /// CHECK constraints, expressions, statistics, partition keys, ranges, rules and triggers that fire always call functions with the
    /// rights of whoever writes the row. Where that is a superuser, the functions' owners have these rights.
    func lookAtCode() throws {
        guard try text(target, DatabaseSession.isSuperuserQuery) == "t" else { return }
        let found = try column(
            source,
            """
            WITH uses AS (
              SELECT d.refclassid, d.refobjid, CASE o.contypid WHEN 0 THEN o.conrelid::pg_catalog.regclass::pg_catalog.text
                       ELSE o.contypid::pg_catalog.regtype::pg_catalog.text END AS place
                FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) o.oid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
               UNION ALL
              SELECT d.refclassid, d.refobjid, f.adrelid::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_attrdef f JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) f.oid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) f.adrelid
                 AND a.attnum OPERATOR(pg_catalog.=) f.adnum
               WHERE pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.->>) 'attgenerated' OPERATOR(pg_catalog.<>) ''
               UNION ALL
              SELECT d.refclassid, d.refobjid, i.indrelid::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_index i JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) i.indexrelid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               UNION ALL
              SELECT d.refclassid, d.refobjid, s.stxrelid::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) s.oid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
               UNION ALL
              SELECT d.refclassid, d.refobjid, t.partrelid::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_partitioned_table t JOIN pg_catalog.pg_depend d
                  ON d.objid OPERATOR(pg_catalog.=) t.partrelid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               UNION ALL
              SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, f.routine, g.rngtypid::pg_catalog.regtype::pg_catalog.text
                FROM pg_catalog.pg_range g CROSS JOIN LATERAL (VALUES (g.rngsubdiff::pg_catalog.oid),
                     (g.rngcanonical::pg_catalog.oid)) f (routine)
               UNION ALL
              SELECT d.refclassid, d.refobjid, w.ev_class::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d ON d.objid OPERATOR(pg_catalog.=) w.oid
                 AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
               WHERE w.ev_enabled IN ('A', 'R') AND w.ev_type OPERATOR(pg_catalog.<>) '1'
               UNION ALL
              SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, t.tgfoid, t.tgrelid::pg_catalog.regclass::pg_catalog.text
                FROM pg_catalog.pg_trigger t WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal),
            calls AS (
              SELECT CASE u.refclassid WHEN 'pg_catalog.pg_operator'::pg_catalog.regclass
                       THEN (SELECT o.oprcode::pg_catalog.oid FROM pg_catalog.pg_operator o
                              WHERE o.oid OPERATOR(pg_catalog.=) u.refobjid) ELSE u.refobjid END AS routine, u.place
                FROM uses u
               WHERE u.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass))
            SELECT pg_catalog.format('%s of %I (%s)', p.oid::pg_catalog.regprocedure, r.rolname,
                     pg_catalog.string_agg(DISTINCT c.place, ', '))
              FROM calls c JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) c.routine
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
              JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner AND NOT r.rolsuper
             WHERE \(UserObject.namespace) AND \(CatalogFacts.noExtension("pg_proc", "p.oid"))
             GROUP BY p.oid, r.rolname ORDER BY 1
            """)
        let texts = try column(source, Self.textsThatRun)
        if !texts.isEmpty {
            warn(
                .target, "code",
                "constraints of ordinary roles' tables and domains call functions of the server that run any SQL, or change the session: "
                    + "with the rights of \"\(target.user)\", a superuser, when rows are written: \(Figures.some(texts))",
                "look at what they do; or use a role on the target that is no superuser (docs/managed-services.md)")
        }
        guard !found.isEmpty else {
            guard texts.isEmpty else { return }
            return pass(.target, "code", "no function of an ordinary role runs when rows are written")
        }
        warn(
            .target, "code",
            "functions of ordinary roles run with the rights of \"\(target.user)\", a superuser, when rows are written to the "
                + "target: \(Figures.some(found))",
            "look at what they do; or use a role on the target that is no superuser (docs/managed-services.md)")
    }

    /// Nothing in the catalog says that a constraint depends on the server's own functions: its text does.
    private static let textsThatRun = """
        SELECT pg_catalog.format('%I of %s', o.conname, CASE o.contypid WHEN 0 THEN o.conrelid::pg_catalog.regclass::pg_catalog.text
                 ELSE o.contypid::pg_catalog.regtype::pg_catalog.text END)
          FROM pg_catalog.pg_constraint o
          LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) o.conrelid
          LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) o.contypid
          JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) coalesce(c.relowner, t.typowner) AND NOT r.rolsuper
          JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.connamespace
         WHERE o.contype OPERATOR(pg_catalog.=) 'c' AND \(UserObject.namespace)
           AND pg_catalog.pg_get_constraintdef(o.oid) OPERATOR(pg_catalog.~*)
               '[^a-z0-9_]((query|table|cursor|schema|database)_to_xml|ts_rewrite|ts_stat|set_config|setval|lo_)'
         ORDER BY 1
        """

    /// Where `=` of a key's type is ambiguous, rows are found by the key's text.
    func lookAtKeyCasts() throws {
        let found = try column(
            source,
            """
            SELECT pg_catalog.format('%s of %s', pg_catalog.quote_ident(a.attname), i.indrelid::pg_catalog.regclass)
              FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
               AND a.attnum OPERATOR(pg_catalog.=) ANY (i.indkey)
              JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
             WHERE (i.indisprimary OR i.indisreplident) AND t.oid OPERATOR(pg_catalog.>=) 16384
               AND \(AmbiguousEquality.condition("CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END"))
             ORDER BY 1
            """)
        guard !found.isEmpty else { return }
        warn(
            .source, "keys",
            "somebody made implicit casts from the types of these keys, so = is ambiguous and each statement about their rows reads the "
                + "whole table on the target: \(Figures.some(found))",
            "drop the cast, or make it again AS ASSIGNMENT, before the copy")
    }

    /// A function that is declared IMMUTABLE and is not: a generated column or an index has what it gave in the session that wrote
    /// the row, and ours have TimeZone = UTC.
    func lookAtTimeZones() throws {
        let found = try column(
            source,
            """
            SELECT DISTINCT pg_catalog.format('%s in %s', p.oid::pg_catalog.regprocedure, coalesce(d2.adrelid, i.indrelid)::pg_catalog.regclass)
              FROM pg_catalog.pg_depend d
              JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.refobjid
              JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
              JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang AND l.lanname NOT IN ('internal', 'c')
              LEFT JOIN pg_catalog.pg_attrdef d2 ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                    AND d2.oid OPERATOR(pg_catalog.=) d.objid
                    AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) d2.adrelid
                          AND a.attnum OPERATOR(pg_catalog.=) d2.adnum
                          AND pg_catalog.to_jsonb(a) OPERATOR(pg_catalog.->>) 'attgenerated' OPERATOR(pg_catalog.=) 's')
              LEFT JOIN pg_catalog.pg_index i ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND i.indexrelid OPERATOR(pg_catalog.=) d.objid
             WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass AND \(UserObject.namespace)
               AND (d2.oid IS NOT NULL OR i.indexrelid IS NOT NULL)
               AND p.proargtypes::pg_catalog.oid[] OPERATOR(pg_catalog.&&) '{1184,1266,1185,1270}'::pg_catalog.oid[]
             ORDER BY 1
            """)
        guard !found.isEmpty else { return }
        warn(
            .target, "time zone",
            "declared IMMUTABLE, these functions of times may give something else where TimeZone is another, and rows are written and "
                + "indexes made on the target with TimeZone = UTC: \(Figures.some(found))",
            "if they depend on it, REINDEX the indexes after the switchover; clone compare data finds generated columns that differ"
        )
    }
}
