/// How a column's stored value is found again by the text that the source sent, so that what is found is that very
/// value and not merely one that `=` calls equal (1.0 = 1.00, -0 = 0, nondeterministic collations).
enum ValueComparison: UInt8 {
    /// `=` is identity.
    case equality
    /// `=` for an index to use, and the output text as well.
    case equalityAndText
    /// `=` for an index to use, and the binary form as well: the text of floats differs by server version.
    case equalityAndFloat4, equalityAndFloat8
    /// The output text alone: no `=` for the type, or none that is known.
    case text

    /// The comparison for a built-in type's OID (`pg_type.dat`); ``text`` for every other type.
    init(typeOID: UInt32) {
        switch typeOID {
        case 16, 17, 18, 19, 20, 21, 23, 26, 1082, 1083, 1114, 1184, 2950:
            // bool, bytea, "char", name, int8, int2, int4, oid, date, time, timestamp, timestamptz, uuid
            self = .equality
        case 25, 869, 650, 1042, 1043, 1186, 1266, 1700:
            // text, inet, cidr, bpchar, varchar, interval, timetz, numeric
            self = .equalityAndText
        case 700: self = .equalityAndFloat4
        case 701: self = .equalityAndFloat8
        default: self = .text
        }
    }
}
