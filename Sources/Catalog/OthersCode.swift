import Postgres

/// Functions of other roles that a server runs by itself, with the rights of whoever's session it is.
package enum OthersCode {
    /// A condition on `pg_proc p`: neither a superuser's nor the session's own.
    private static let isOthers = """
        p.proowner NOT IN (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user)
        """

    /// A condition on the table `c`: planning a query of it may run such a function. The planner computes what is constant in the
    /// predicates and expressions of indexes and statistics, and in constraints.
    package static let isPlanned = """
        EXISTS (
          SELECT FROM pg_catalog.pg_depend d
            LEFT JOIN pg_catalog.pg_operator o ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_operator'::pg_catalog.regclass
                  AND o.oid OPERATOR(pg_catalog.=) d.refobjid
            JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) CASE d.refclassid
                   WHEN 'pg_catalog.pg_proc'::pg_catalog.regclass THEN d.refobjid ELSE o.oprcode::pg_catalog.oid END
           WHERE (d.classid, d.objid) IN (
                   SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, i.indexrelid FROM pg_catalog.pg_index i
                    WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid
                    UNION ALL
                   SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid FROM pg_catalog.pg_statistic_ext s
                    WHERE s.stxrelid OPERATOR(pg_catalog.=) c.oid
                    UNION ALL
                   SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid FROM pg_catalog.pg_constraint k
                    WHERE k.conrelid OPERATOR(pg_catalog.=) c.oid AND k.contype OPERATOR(pg_catalog.=) 'c')
             AND \(isOthers))
        """
}
