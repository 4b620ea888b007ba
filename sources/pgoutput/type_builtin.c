/* SPDX-License-Identifier: Apache-2.0
 *
 * type_builtin.c -- the types with fixed oids whose values are more than their text, and every
 * array among them.  Static.
 *
 * Made from the answer of PostgreSQL 15.20 and 18.4 (the same in both) to
 *   SELECT t.oid, t.typname, t.typelem, e.typdelim FROM pg_type t LEFT JOIN pg_type e ON e.oid = t.typelem
 *   WHERE t.oid < 10000 AND t.typtype <> 'p' ORDER BY 1
 * where an array is what has typsubscript = 'array_subscript_handler'.  A type that is missing here
 * is its text.  The test decode_types_real compares the table with the server's own.
 */
#include "type.h"

/* clang-format off */
const struct type_builtin type_builtin[] = {
    {16, CONVERT_BOOL, 0, 0}, /* bool */
    {17, CONVERT_BYTES, 0, 0}, /* bytea */
    {20, CONVERT_INT8, 0, 0}, /* int8 */
    {21, CONVERT_INT, 0, 0}, /* int2 */
    {22, CONVERT_INT2VECTOR, 0, 0}, /* int2vector */
    {23, CONVERT_INT, 0, 0}, /* int4 */
    {26, CONVERT_PLAIN, 0, 0}, /* oid */
    {27, CONVERT_PLAIN, 0, 0}, /* tid */
    {28, CONVERT_PLAIN, 0, 0}, /* xid */
    {29, CONVERT_PLAIN, 0, 0}, /* cid */
    {30, CONVERT_OIDVECTOR, 0, 0}, /* oidvector */
    {114, CONVERT_JSON, 0, 0}, /* json */
    {143, CONVERT_ARRAY, 142, ','}, /* _xml */
    {199, CONVERT_ARRAY, 114, ','}, /* _json */
    {210, CONVERT_ARRAY, 71, ','}, /* _pg_type */
    {270, CONVERT_ARRAY, 75, ','}, /* _pg_attribute */
    {271, CONVERT_ARRAY, 5069, ','}, /* _xid8 */
    {272, CONVERT_ARRAY, 81, ','}, /* _pg_proc */
    {273, CONVERT_ARRAY, 83, ','}, /* _pg_class */
    {600, CONVERT_PLAIN, 0, 0}, /* point */
    {601, CONVERT_PLAIN, 0, 0}, /* lseg */
    {602, CONVERT_PLAIN, 0, 0}, /* path */
    {603, CONVERT_PLAIN, 0, 0}, /* box */
    {604, CONVERT_PLAIN, 0, 0}, /* polygon */
    {628, CONVERT_PLAIN, 0, 0}, /* line */
    {629, CONVERT_ARRAY, 628, ','}, /* _line */
    {650, CONVERT_PLAIN, 0, 0}, /* cidr */
    {651, CONVERT_ARRAY, 650, ','}, /* _cidr */
    {700, CONVERT_FLOAT, 0, 0}, /* float4 */
    {701, CONVERT_FLOAT, 0, 0}, /* float8 */
    {718, CONVERT_PLAIN, 0, 0}, /* circle */
    {719, CONVERT_ARRAY, 718, ','}, /* _circle */
    {774, CONVERT_PLAIN, 0, 0}, /* macaddr8 */
    {775, CONVERT_ARRAY, 774, ','}, /* _macaddr8 */
    {790, CONVERT_PLAIN, 0, 0}, /* money */
    {791, CONVERT_ARRAY, 790, ','}, /* _money */
    {829, CONVERT_PLAIN, 0, 0}, /* macaddr */
    {869, CONVERT_PLAIN, 0, 0}, /* inet */
    {1000, CONVERT_ARRAY, 16, ','}, /* _bool */
    {1001, CONVERT_ARRAY, 17, ','}, /* _bytea */
    {1002, CONVERT_ARRAY, 18, ','}, /* _char */
    {1003, CONVERT_ARRAY, 19, ','}, /* _name */
    {1005, CONVERT_ARRAY, 21, ','}, /* _int2 */
    {1006, CONVERT_ARRAY, 22, ','}, /* _int2vector */
    {1007, CONVERT_ARRAY, 23, ','}, /* _int4 */
    {1008, CONVERT_ARRAY, 24, ','}, /* _regproc */
    {1009, CONVERT_ARRAY, 25, ','}, /* _text */
    {1010, CONVERT_ARRAY, 27, ','}, /* _tid */
    {1011, CONVERT_ARRAY, 28, ','}, /* _xid */
    {1012, CONVERT_ARRAY, 29, ','}, /* _cid */
    {1013, CONVERT_ARRAY, 30, ','}, /* _oidvector */
    {1014, CONVERT_ARRAY, 1042, ','}, /* _bpchar */
    {1015, CONVERT_ARRAY, 1043, ','}, /* _varchar */
    {1016, CONVERT_ARRAY, 20, ','}, /* _int8 */
    {1017, CONVERT_ARRAY, 600, ','}, /* _point */
    {1018, CONVERT_ARRAY, 601, ','}, /* _lseg */
    {1019, CONVERT_ARRAY, 602, ','}, /* _path */
    {1020, CONVERT_ARRAY, 603, ';'}, /* _box */
    {1021, CONVERT_ARRAY, 700, ','}, /* _float4 */
    {1022, CONVERT_ARRAY, 701, ','}, /* _float8 */
    {1027, CONVERT_ARRAY, 604, ','}, /* _polygon */
    {1028, CONVERT_ARRAY, 26, ','}, /* _oid */
    {1034, CONVERT_ARRAY, 1033, ','}, /* _aclitem */
    {1040, CONVERT_ARRAY, 829, ','}, /* _macaddr */
    {1041, CONVERT_ARRAY, 869, ','}, /* _inet */
    {1082, CONVERT_DATE, 0, 0}, /* date */
    {1083, CONVERT_TIME, 0, 0}, /* time */
    {1114, CONVERT_TIMESTAMP, 0, 0}, /* timestamp */
    {1115, CONVERT_ARRAY, 1114, ','}, /* _timestamp */
    {1182, CONVERT_ARRAY, 1082, ','}, /* _date */
    {1183, CONVERT_ARRAY, 1083, ','}, /* _time */
    {1184, CONVERT_TIMESTAMPTZ, 0, 0}, /* timestamptz */
    {1185, CONVERT_ARRAY, 1184, ','}, /* _timestamptz */
    {1186, CONVERT_PLAIN, 0, 0}, /* interval */
    {1187, CONVERT_ARRAY, 1186, ','}, /* _interval */
    {1231, CONVERT_ARRAY, 1700, ','}, /* _numeric */
    {1263, CONVERT_ARRAY, 2275, ','}, /* _cstring */
    {1266, CONVERT_TIME, 0, 0}, /* timetz */
    {1270, CONVERT_ARRAY, 1266, ','}, /* _timetz */
    {1560, CONVERT_PLAIN, 0, 0}, /* bit */
    {1561, CONVERT_ARRAY, 1560, ','}, /* _bit */
    {1562, CONVERT_PLAIN, 0, 0}, /* varbit */
    {1563, CONVERT_ARRAY, 1562, ','}, /* _varbit */
    {1700, CONVERT_DECIMAL, 0, 0}, /* numeric */
    {2201, CONVERT_ARRAY, 1790, ','}, /* _refcursor */
    {2207, CONVERT_ARRAY, 2202, ','}, /* _regprocedure */
    {2208, CONVERT_ARRAY, 2203, ','}, /* _regoper */
    {2209, CONVERT_ARRAY, 2204, ','}, /* _regoperator */
    {2210, CONVERT_ARRAY, 2205, ','}, /* _regclass */
    {2211, CONVERT_ARRAY, 2206, ','}, /* _regtype */
    {2949, CONVERT_ARRAY, 2970, ','}, /* _txid_snapshot */
    {2950, CONVERT_PLAIN, 0, 0}, /* uuid */
    {2951, CONVERT_ARRAY, 2950, ','}, /* _uuid */
    {2970, CONVERT_PLAIN, 0, 0}, /* txid_snapshot */
    {3220, CONVERT_PLAIN, 0, 0}, /* pg_lsn */
    {3221, CONVERT_ARRAY, 3220, ','}, /* _pg_lsn */
    {3643, CONVERT_ARRAY, 3614, ','}, /* _tsvector */
    {3644, CONVERT_ARRAY, 3642, ','}, /* _gtsvector */
    {3645, CONVERT_ARRAY, 3615, ','}, /* _tsquery */
    {3735, CONVERT_ARRAY, 3734, ','}, /* _regconfig */
    {3770, CONVERT_ARRAY, 3769, ','}, /* _regdictionary */
    {3802, CONVERT_JSON, 0, 0}, /* jsonb */
    {3807, CONVERT_ARRAY, 3802, ','}, /* _jsonb */
    {3905, CONVERT_ARRAY, 3904, ','}, /* _int4range */
    {3907, CONVERT_ARRAY, 3906, ','}, /* _numrange */
    {3909, CONVERT_ARRAY, 3908, ','}, /* _tsrange */
    {3911, CONVERT_ARRAY, 3910, ','}, /* _tstzrange */
    {3913, CONVERT_ARRAY, 3912, ','}, /* _daterange */
    {3927, CONVERT_ARRAY, 3926, ','}, /* _int8range */
    {4073, CONVERT_ARRAY, 4072, ','}, /* _jsonpath */
    {4090, CONVERT_ARRAY, 4089, ','}, /* _regnamespace */
    {4097, CONVERT_ARRAY, 4096, ','}, /* _regrole */
    {4192, CONVERT_ARRAY, 4191, ','}, /* _regcollation */
    {5038, CONVERT_PLAIN, 0, 0}, /* pg_snapshot */
    {5039, CONVERT_ARRAY, 5038, ','}, /* _pg_snapshot */
    {5069, CONVERT_PLAIN, 0, 0}, /* xid8 */
    {6150, CONVERT_ARRAY, 4451, ','}, /* _int4multirange */
    {6151, CONVERT_ARRAY, 4532, ','}, /* _nummultirange */
    {6152, CONVERT_ARRAY, 4533, ','}, /* _tsmultirange */
    {6153, CONVERT_ARRAY, 4534, ','}, /* _tstzmultirange */
    {6155, CONVERT_ARRAY, 4535, ','}, /* _datemultirange */
    {6157, CONVERT_ARRAY, 4536, ','}, /* _int8multirange */
};
/* clang-format on */

const size_t type_builtin_count = sizeof(type_builtin) / sizeof(type_builtin[0]);
