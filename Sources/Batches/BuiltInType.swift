/// The server's own types, by OID (`pg_type.dat`; OIDs of built-in types never change).
enum BuiltInType {
    /// The name of a built-in type in `pg_catalog`, quoted where SQL needs it; nil for others, and for the few that no
    /// table should have.
    static func name(_ oid: UInt32) -> String? { names[oid] }

    /// How values of a built-in type stand in an array literal.
    static func arrayForm(_ oid: UInt32) -> ArrayForm {
        switch oid {
        case 16, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1266, 1700, 2950:
            .plain
        case 17, 18, 19, 25, 114, 142, 650, 774, 790, 829, 869, 1042, 1043, 1186, 1560, 1562, 2205, 3802:
            // regclass, too: the server's cast from text to it does not take "-", which its input does.
            .quoted
        default:
            .text
        }
    }

    /// How values stand in an array literal.
    enum ArrayForm {
        /// In an array of the type, mostly without quotes: numbers, dates, UUIDs.
        case plain
        /// In an array of the type, quoted.
        case quoted
        /// As text that is cast back: an array of arrays would lose its shape, and types differ in their delimiters.
        case text
    }

    private static let names: [UInt32: String] = [
        16: "bool", 17: "bytea", 18: "\"char\"", 19: "name", 20: "int8", 21: "int2", 23: "int4", 24: "regproc",
        25: "text", 26: "oid", 27: "tid", 28: "xid", 29: "cid", 114: "json", 142: "xml", 143: "_xml", 199: "_json",
        271: "_xid8", 600: "point", 601: "lseg", 602: "path", 603: "box", 604: "polygon", 628: "line", 629: "_line",
        650: "cidr", 651: "_cidr", 700: "float4", 701: "float8", 718: "circle", 719: "_circle", 774: "macaddr8",
        775: "_macaddr8", 790: "money", 791: "_money", 829: "macaddr", 869: "inet", 1000: "_bool", 1001: "_bytea",
        1002: "_char", 1003: "_name", 1005: "_int2", 1007: "_int4", 1008: "_regproc", 1009: "_text", 1010: "_tid",
        1011: "_xid", 1012: "_cid", 1014: "_bpchar", 1015: "_varchar", 1016: "_int8", 1017: "_point", 1018: "_lseg",
        1019: "_path", 1020: "_box", 1021: "_float4", 1022: "_float8", 1027: "_polygon", 1028: "_oid",
        1040: "_macaddr", 1041: "_inet", 1042: "bpchar", 1043: "varchar", 1082: "date", 1083: "time",
        1114: "timestamp", 1115: "_timestamp", 1182: "_date", 1183: "_time", 1184: "timestamptz",
        1185: "_timestamptz", 1186: "interval", 1187: "_interval", 1231: "_numeric", 1266: "timetz", 1270: "_timetz",
        1560: "bit", 1561: "_bit", 1562: "varbit", 1563: "_varbit", 1700: "numeric", 1790: "refcursor",
        2201: "_refcursor", 2202: "regprocedure", 2203: "regoper", 2204: "regoperator", 2205: "regclass",
        2206: "regtype", 2207: "_regprocedure", 2208: "_regoper", 2209: "_regoperator", 2210: "_regclass",
        2211: "_regtype", 2950: "uuid", 2951: "_uuid", 3614: "tsvector", 3615: "tsquery", 3643: "_tsvector",
        3645: "_tsquery", 3734: "regconfig",
        3735: "_regconfig", 3769: "regdictionary", 3770: "_regdictionary", 3802: "jsonb", 3807: "_jsonb",
        3904: "int4range", 3905: "_int4range", 3906: "numrange", 3907: "_numrange", 3908: "tsrange", 3909: "_tsrange",
        3910: "tstzrange", 3911: "_tstzrange", 3912: "daterange", 3913: "_daterange", 3926: "int8range",
        3927: "_int8range", 4072: "jsonpath", 4073: "_jsonpath", 4089: "regnamespace", 4090: "_regnamespace",
        4096: "regrole", 4097: "_regrole", 4191: "regcollation", 4192: "_regcollation", 4451: "int4multirange",
        4532: "nummultirange", 4533: "tsmultirange", 4534: "tstzmultirange", 4535: "datemultirange",
        4536: "int8multirange", 5069: "xid8", 6150: "_int4multirange", 6151: "_nummultirange", 6152: "_tsmultirange",
        6153: "_tstzmultirange", 6155: "_datemultirange", 6157: "_int8multirange",
    ]
}
