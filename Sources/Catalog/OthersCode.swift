/// Functions of other roles that a server runs by itself, with the rights of whoever's session it is.
package enum OthersCode {
    /// A condition on the table `c`: planning a query of it may run such a function. The planner computes what is constant in the
    /// predicates and expressions of indexes and statistics, and in constraints. Asked from the functions on, which are few, and once
    /// for all tables.
    package static let isPlanned = """
        c.oid IN (
          WITH others AS (
            SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) p.proowner
             WHERE NOT r.rolsuper AND r.rolname OPERATOR(pg_catalog.<>) current_user),
          users AS (
            SELECT d.classid, d.objid FROM others f JOIN pg_catalog.pg_depend d
                ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
               AND d.refobjid OPERATOR(pg_catalog.=) f.oid
             UNION ALL
            SELECT d.classid, d.objid FROM others f JOIN pg_catalog.pg_operator o ON o.oprcode::pg_catalog.oid OPERATOR(pg_catalog.=) f.oid
              JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass
               AND d.refobjid OPERATOR(pg_catalog.=) o.oid)
          SELECT i.indrelid FROM users u JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) u.objid
             AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
           UNION ALL
          SELECT s.stxrelid FROM users u JOIN pg_catalog.pg_statistic_ext s ON s.oid OPERATOR(pg_catalog.=) u.objid
             AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
           UNION ALL
          SELECT k.conrelid FROM users u JOIN pg_catalog.pg_constraint k ON k.oid OPERATOR(pg_catalog.=) u.objid
             AND u.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
           WHERE k.contype OPERATOR(pg_catalog.=) 'c')
        """
}
