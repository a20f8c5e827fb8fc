/// What rendering needs to know about a column; names are ranges of the table's prepared text, so that using a plan
/// counts no references.
struct ColumnPlan {
    /// The quoted name.
    var name: Range<Int>
    /// `"a" = `, as SET and plain predicates need it.
    var assignment: Range<Int>
    /// `"a" = ` or `"a" OPERATOR("schema".=) `, for a key; `pg_catalog.concat("a") COLLATE "C" = ` where ``comparesText``.
    var equals: Range<Int>
    /// A key's values are compared by their output text, because nobody knows what `=` between them would call.
    var comparesText: Bool
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
    /// How values stand in an array literal.
    var arrayForm: BuiltInType.ArrayForm
    /// What follows an array of the column's values, such as `::pg_catalog.int4[]`.
    var arrayCast: Range<Int>
    /// What follows an element of that array where it is text: `::pg_catalog.point`, or nothing. Only for built-in types:
    /// for another, the cast might be a function of its owner's.
    var elementCast: Range<Int>
    /// The type is built in, so that values can be sent as an array.
    var fitsArray: Bool
    /// What follows a literal to make it the column's type: `::public.mood`. A literal is read by the type's input function.
    var valueCast: Range<Int>
    /// The type's name is known, so that values of many rows can stand in one statement.
    var hasTypeName: Bool
    /// The column holds integers, for sorting keys as the target's index does.
    var isInteger: Bool
}
