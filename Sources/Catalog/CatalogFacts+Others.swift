import Postgres

// What no row depends on, and what is compared with what it was on the source alone: its text has a server's own names or
// numbers in it.
extension CatalogFacts {
    package static let others = [
        access, schemas, typeAccess, policies, rowSecurity, options, rules, casts, collations, statistics, owned,
        eventTriggers,
        searches, servers, operators,
    ]

    private static let access = """
        SELECT 'owner and privileges', n.nspname, c.relname, \(named),
               pg_catalog.concat_ws(' ', pg_catalog.pg_get_userbyid(c.relowner), c.relacl,
                 (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', a.attname, a.attacl), ' ' ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped))
          FROM \(relations) WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND \(ours)
        """

    private static let schemas = """
        SELECT 'owner and privileges', n.nspname, NULL, pg_catalog.format('schema %I', n.nspname),
               pg_catalog.concat_ws(' ', pg_catalog.pg_get_userbyid(n.nspowner), n.nspacl,
                 (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', pg_catalog.pg_get_userbyid(d.defaclrole), d.defaclobjtype,
                           d.defaclacl), ' ' ORDER BY d.defaclrole, d.defaclobjtype)
                    FROM pg_catalog.pg_default_acl d WHERE d.defaclnamespace OPERATOR(pg_catalog.=) n.oid))
          FROM pg_catalog.pg_namespace n WHERE \(UserObject.namespace) AND \(noExtension("pg_namespace", "n.oid"))
        """

    private static let typeAccess = """
        SELECT 'owner and privileges', n.nspname, NULL, pg_catalog.format('type %I.%I', n.nspname, t.typname),
               pg_catalog.concat_ws(' ', pg_catalog.pg_get_userbyid(t.typowner), t.typacl)
          FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
         WHERE t.typtype IN ('e', 'd', 'r') AND \(UserObject.namespace) AND \(noExtension("pg_type", "t.oid"))
        """

    private static let policies = """
        SELECT 'row security', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, o.polname),
               pg_catalog.concat_ws(' ', o.polcmd, o.polpermissive,
                 (SELECT pg_catalog.string_agg(pg_catalog.pg_get_userbyid(r), ',' ORDER BY r) FROM pg_catalog.unnest(o.polroles) r),
                 pg_catalog.pg_get_expr(o.polqual, o.polrelid), 'CHECK', pg_catalog.pg_get_expr(o.polwithcheck, o.polrelid))
          FROM \(relations) JOIN pg_catalog.pg_policy o ON o.polrelid OPERATOR(pg_catalog.=) c.oid WHERE \(ours)
        """

    private static let rowSecurity = """
        SELECT 'row security', n.nspname, c.relname, \(named),
               pg_catalog.concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity)
          FROM \(relations) WHERE c.relkind IN ('r', 'p') AND \(ours)
        """

    private static let options = """
        SELECT 'option of a view', n.nspname, c.relname, \(named), c.reloptions::pg_catalog.text
          FROM \(relations) WHERE c.relkind OPERATOR(pg_catalog.=) 'v' AND \(ours)
        """

    /// pg_get_ruledef would wait for whoever has locked the table.
    private static let rules = """
        SELECT 'rule', n.nspname, c.relname, pg_catalog.format('%I.%I.%I', n.nspname, c.relname, r.rulename),
               pg_catalog.concat_ws(' ', r.ev_enabled, r.ev_type, r.is_instead, pg_catalog.md5(pg_catalog.concat_ws(' ',
                 r.ev_qual::pg_catalog.text, r.ev_action::pg_catalog.text)))
          FROM \(relations) JOIN pg_catalog.pg_rewrite r ON r.ev_class OPERATOR(pg_catalog.=) c.oid
         WHERE r.rulename OPERATOR(pg_catalog.<>) '_RETURN' AND \(ours)
        """

    private static let casts = """
        SELECT 'cast', '', NULL,
               pg_catalog.format('%s AS %s', pg_catalog.format_type(t.castsource, NULL), pg_catalog.format_type(t.casttarget, NULL)),
               pg_catalog.concat_ws(' ', t.castcontext, t.castmethod, t.castfunc::pg_catalog.regprocedure)
          FROM pg_catalog.pg_cast t
         WHERE t.oid OPERATOR(pg_catalog.>=) 16384 AND \(noExtension("pg_cast", "t.oid"))
        """

    private static let collations = """
        SELECT 'collation', n.nspname, NULL, pg_catalog.format('%I.%I', n.nspname, l.collname),
               pg_catalog.concat_ws(' ', l.collprovider, l.collisdeterministic, l.collcollate, l.collctype,
                 pg_catalog.pg_get_userbyid(l.collowner))
          FROM pg_catalog.pg_collation l JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) l.collnamespace
         WHERE \(UserObject.namespace) AND \(noExtension("pg_collation", "l.oid"))
        """

    /// stxexprs exists since 14. pg_get_statisticsobjdef would wait for whoever has locked the table.
    private static let statistics = """
        SELECT 'statistics', n.nspname, c.relname, pg_catalog.format('%I.%I', sn.nspname, s.stxname),
               pg_catalog.concat_ws(' ', s.stxkind, s.stxkeys, pg_catalog.md5(pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'stxexprs'),
                 pg_catalog.pg_get_userbyid(s.stxowner))
          FROM \(relations) JOIN pg_catalog.pg_statistic_ext s ON s.stxrelid OPERATOR(pg_catalog.=) c.oid
          JOIN pg_catalog.pg_namespace sn ON sn.oid OPERATOR(pg_catalog.=) s.stxnamespace WHERE \(ours)
        """

    private static let owned = """
        SELECT 'owner of a sequence', n.nspname, c.relname, \(named),
               (SELECT pg_catalog.concat_ws('.', d.refobjid::pg_catalog.regclass, d.refobjsubid) FROM pg_catalog.pg_depend d
                 WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype IN ('a', 'i')
                   AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass)
          FROM \(relations) WHERE c.relkind OPERATOR(pg_catalog.=) 'S' AND \(ours)
        """

    private static let eventTriggers = """
        SELECT 'event trigger', '', NULL, pg_catalog.quote_ident(t.evtname),
               pg_catalog.concat_ws(' ', t.evtevent, t.evtenabled, t.evttags, t.evtfoid::pg_catalog.regprocedure)
          FROM pg_catalog.pg_event_trigger t WHERE \(noExtension("pg_event_trigger", "t.oid"))
        """

    private static let searches = """
        SELECT 'text search', n.nspname, NULL, pg_catalog.format('%I.%I', n.nspname, f.cfgname),
               (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', m.maptokentype, m.mapseqno,
                         m.mapdict::pg_catalog.regdictionary, t.dictinitoption), ' ' ORDER BY m.maptokentype, m.mapseqno)
                  FROM pg_catalog.pg_ts_config_map m JOIN pg_catalog.pg_ts_dict t ON t.oid OPERATOR(pg_catalog.=) m.mapdict
                 WHERE m.mapcfg OPERATOR(pg_catalog.=) f.oid)
          FROM pg_catalog.pg_ts_config f JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) f.cfgnamespace
         WHERE \(UserObject.namespace) AND \(noExtension("pg_ts_config", "f.oid"))
        """

    private static let servers = """
        SELECT 'foreign server', '', NULL, pg_catalog.quote_ident(s.srvname),
               pg_catalog.concat_ws(' ', s.srvtype, s.srvversion, s.srvoptions, s.srvacl, pg_catalog.pg_get_userbyid(s.srvowner),
                 (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', u.usename, pg_catalog.md5(u.umoptions::pg_catalog.text)), ' ' ORDER BY u.umid)
                    FROM pg_catalog.pg_user_mappings u WHERE u.srvid OPERATOR(pg_catalog.=) s.oid))
          FROM pg_catalog.pg_foreign_server s WHERE \(noExtension("pg_foreign_server", "s.oid"))
        """

    private static let operators = """
        SELECT 'operator', n.nspname, NULL,
               pg_catalog.format('%I.%s (%s, %s)', n.nspname, o.oprname,
                 CASE o.oprleft WHEN 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
                 pg_catalog.format_type(o.oprright, NULL)),
               pg_catalog.concat_ws(' ', o.oprcode, o.oprcom, o.oprnegate, o.oprcanmerge, o.oprcanhash, o.oprrest, o.oprjoin,
                 pg_catalog.pg_get_userbyid(o.oprowner))
          FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace
         WHERE \(UserObject.namespace) AND \(noExtension("pg_operator", "o.oid"))
        """

    /// A table that was made again under its name, or whose file was written anew without a stream of changes, or that was
    /// under no published table for a time: all of them rows that may not have been followed. TRUNCATE, VACUUM FULL and
    /// CLUSTER write a file anew, too.
    static let rows = """
        SELECT 'rows', n.nspname, c.relname, \(named),
               pg_catalog.concat_ws(' ', c.oid, c.relfilenode,
                 (SELECT pg_catalog.string_agg(pg_catalog.concat(a.attnum, a.attname), ',' ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
                     AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped),
                 (WITH RECURSIVE above AS (
                    SELECT i.inhparent, i.xmin::pg_catalog.text AS since, 1 AS level FROM pg_catalog.pg_inherits i
                     WHERE i.inhrelid OPERATOR(pg_catalog.=) c.oid
                     UNION ALL
                    SELECT i.inhparent, i.xmin::pg_catalog.text, a.level OPERATOR(pg_catalog.+) 1 FROM above a
                      JOIN pg_catalog.pg_inherits i ON i.inhrelid OPERATOR(pg_catalog.=) a.inhparent)
                  SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', a.inhparent, a.since), ',' ORDER BY a.level, a.inhparent)
                    FROM above a))
          FROM \(relations) WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND \(ours)
        """

    /// For each table the parts of the composite types and enums in its columns, each as one word: a part that is dropped and made
    /// again is empty in the rows that there are, and a label that is renamed for a while is another one for whoever reads it.
    static let meanings = """
        SELECT 'values', n.nspname, c.relname, \(named), (
          WITH RECURSIVE used (type) AS (
            SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
               AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND a.atttypid OPERATOR(pg_catalog.>=) 16384
             UNION
            SELECT x.type FROM used u JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.type
              CROSS JOIN LATERAL (
                SELECT t.typelem AS type UNION ALL SELECT t.typbasetype UNION ALL
                SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) t.typrelid
                   AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped UNION ALL
                SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE g.rngtypid OPERATOR(pg_catalog.=) t.oid) x
             WHERE x.type OPERATOR(pg_catalog.>=) 16384)
          SELECT pg_catalog.string_agg(w.word, ' ' ORDER BY w.word COLLATE "C") FROM (
            SELECT pg_catalog.concat_ws(':', a.attrelid, a.attnum, a.atttypid) AS word
              FROM used u JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) u.type
              JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) t.typrelid
             WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
             UNION ALL
            SELECT pg_catalog.concat_ws(':', e.oid, e.xmin) FROM used u
              JOIN pg_catalog.pg_enum e ON e.enumtypid OPERATOR(pg_catalog.=) u.type) w)
          FROM \(relations) WHERE c.relkind OPERATOR(pg_catalog.=) 'r' AND \(ours)
           AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid
                          AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND a.atttypid OPERATOR(pg_catalog.>=) 16384)
        """
}
