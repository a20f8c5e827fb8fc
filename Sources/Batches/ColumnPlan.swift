/// What rendering needs to know about a column; names are ranges of the table's prepared text, so that using a plan
/// counts no references.
struct ColumnPlan {
    /// The quoted name.
    var name: Range<Int>
    /// `"a" = `, as SET and plain predicates need it.
    var assignment: Range<Int>
    /// `"a" = ` or `"a" OPERATOR("schema".=) `, for a key.
    var equals: Range<Int>
    /// What follows a key's literal: nothing, or a cast such as `::public.citext`.
    var keyCast: Range<Int>
    /// How the value is compared when the whole row identifies it.
    var comparison: ValueComparison
    /// Part of what the source sends to identify rows.
    var isKey: Bool
    /// Part of the primary key, where the identity is the whole row.
    var isPrimaryKey: Bool
    /// Computed by the server: left out everywhere.
    var isGenerated: Bool
    /// GENERATED ALWAYS AS IDENTITY: an UPDATE must not set it.
    var isAlwaysIdentity: Bool
}
