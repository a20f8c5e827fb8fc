/// Types of which `=` between two values may mean another type's, or nothing.
package enum AmbiguousEquality {
    /// A condition on a type's object id: it has no `=` of its own, only the one for all enums, ranges, arrays or rows, and somebody
    /// made an implicit cast from it.
    package static func condition(_ type: String) -> String {
        """
        (NOT EXISTS (
           SELECT FROM pg_catalog.pg_opclass q JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) q.opcmethod
            WHERE q.opcintype OPERATOR(pg_catalog.=) \(type) AND q.opcdefault AND m.amname OPERATOR(pg_catalog.=) 'btree')
         AND EXISTS (
           SELECT FROM pg_catalog.pg_cast k
            WHERE k.castsource OPERATOR(pg_catalog.=) \(type) AND k.castcontext OPERATOR(pg_catalog.=) 'i'))
        """
    }
}
