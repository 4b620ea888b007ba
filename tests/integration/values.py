# SPDX-License-Identifier: Apache-2.0
"""Hostile values, as SQL expressions, by type.  PostgreSQL's to_json() of the same row is the judge of each."""

TEXTS = [
    "''", "' '", "'plain'", r"'quote \" back \\ slash'", "E'tab\\tnew\\nline\\rreturn'", "E'\\x01\\x02\\x1f\\x7f'",
    "E'\\b\\f\\v'", "'ünïcödé'", "'日本語'", "U&'\\+01F600'", "U&'\\+01F600' || 'x'", "'</script>'", "'a''b'",
    "repeat('x', 10000)", "repeat('ä', 5000)", "'NULL'", "'null'", "'{}'", "'{\"a\":1}'", "U&'\\2028\\2029'",
    "U&'\\FEFF'", "U&'\\0085'", "'%s%n%d'", "'$(rm -rf)'", "'/'", "'\\'", "'\\\\'", "'\"'", "E'\\n'", "'a,b'",
    "U&'\\+10FFFF'", "repeat('\"', 300)", "repeat(E'\\\\', 301)", "repeat(E'\\x01', 100)",
]

VALUES = {
    "bool": ["true", "false"],
    "int2": ["0", "-32768", "32767"],
    "int4": ["0", "-2147483648", "2147483647"],
    "int8": ["0", "-9223372036854775808", "9223372036854775807", "9007199254740993"],
    "oid": ["0", "4294967295"],
    "float4": ["0", "'-0'", "1.5", "'NaN'", "'Infinity'", "'-Infinity'", "3.4028235e38", "1.17549435e-38", "1e-45",
               "0.1", "16777216", "1e10", "1234567.8"],
    "float8": ["0", "'-0'", "0.1", "1e300", "-1.7976931348623157e308", "5e-324", "'NaN'", "'Infinity'", "'-Infinity'",
               "123456789012345680", "1e15", "1e16", "0.30000000000000004", "1e-7", "100000"],
    "numeric": ["0", "0.00", "1.50", "-1.500", "'NaN'", "'Infinity'", "'-Infinity'",
                "12345678901234567890123456789012345678901234567890.123456789", "1e-50", "10::numeric ^ 100",
                "0.1000000000000000000000", "-0.0001", "repeat('9', 2000)::numeric", "1e131071"],
    "numeric(12,4)": ["0", "1.5", "-99999999.9999", "'NaN'"],
    "numeric(3,-2)": ["12300", "-99900"],
    "money": ["0", "'-92233720368547758.08'", "'12,345.67'", "'$1.00'"],
    "text": TEXTS,
    "varchar(20)": ["''", "'x'", "'äöü'", "'trailing  '"],
    "char(8)": ["''", "'x'", "'äb'"],
    '"char"': ["'a'", "''", "'\"'", "E'\\\\'"],
    "name": ["'n'", "'\"'", "repeat('x', 63)"],
    "bytea": ["''", "'\\x00'", "'\\xdeadbeef'", "decode(repeat('ff', 5000), 'hex')", "'\\x5c5c22'"],
    "date": ["'2026-11-22'", "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'", "'0001-01-01'",
             "'0044-03-15 BC'", "'10000-01-01'"],
    "time": ["'00:00:00'", "'24:00:00'", "'23:59:59.999999'", "'12:34:56.7'"],
    "timetz": ["'00:00:00+00'", "'23:59:59.999999-15:59'", "'12:00:00+05:30'", "'12:00:00+15:59:59'", "'24:00:00-07'"],
    "timestamp": ["'2026-11-22 10:00:00'", "'2026-11-22 10:00:00.123456'", "'infinity'", "'-infinity'",
                  "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'", "'0001-01-01 00:00:00.1'",
                  "'0044-03-15 10:00:00.5 BC'"],
    "timestamptz": ["'2026-11-22 10:00:00+00'", "'2026-11-22 10:00:00.123456+05:30'", "'infinity'", "'-infinity'",
                    "'4713-01-01 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'", "'1883-11-18 12:03:58-05'"],
    "interval": ["'0'", "'1 year 2 mons 3 days 04:05:06.789'", "'-1 year'", "'178000000 years'", "'-00:00:00.000001'",
                 "'1 mon -1 day'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"],
    "json": ["'null'", "'true'", "'\"text\"'", "'  [1 , 2.50 ,\n\t3e400 ]  '", "'{\"a\" : 1, \"a\" : 2, \"b\":{}}'",
             "'{\"\\u00e4\\ud83d\\ude00\\n\":\"\\u0041\\/\"}'", "'{\"spa ce\" : \" in  side \"}'", "'1.000'", "'-0'",
             "'[]'", "'{}'", "'[[[[[[[[[[]]]]]]]]]]'", "'{\"q\":\"\\\"\\\\\"}'", "'1e1000'",
             "(repeat('[', 500) || repeat(']', 500))::json", "E'\"\\x7f\"'"],
    "jsonb": ["'null'", "'1.000'", "'{\"b\" : 1, \"aa\":[1, 2 ,{\"x\": null}]}'", "'\"\\u00e4\\n\"'", "'[]'", "'{}'",
              "'12345678901234567890.1234567890'", "'\"a: b, c\"'"],
    "xml": ["'<a b=\"c\">d</a>'"],
    "inet": ["'10.0.0.1'", "'10.0.0.0/8'", "'::1'", "'2001:db8::/32'"],
    "cidr": ["'10.0.0.0/8'", "'::/0'"],
    "macaddr": ["'08:00:2b:01:02:03'"],
    "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "bit(5)": ["B'10101'"],
    "varbit": ["B''", "B'1'", "B'" + "01" * 50 + "'"],
    "point": ["'(1.5,-2)'", "'(NaN,Infinity)'"],
    "line": ["'{1,2,3}'"],
    "lseg": ["'[(1,2),(3,4)]'"],
    "box": ["'(3,4),(1,2)'"],
    "path": ["'((1,2),(3,4))'", "'[(1,2),(3,4)]'"],
    "polygon": ["'((1,2),(3,4),(5,6))'"],
    "circle": ["'<(1,2),3>'"],
    "tsvector": ["'a:1A fat:2 cat''s'::tsvector", "''"],
    "tsquery": ["'fat & (rat | !cat)'"],
    "pg_lsn": ["'0/0'", "'16/B374D848'", "'FFFFFFFF/FFFFFFFF'"],
    "txid_snapshot": ["'10:20:10,14,15'"],
    "pg_snapshot": ["'10:20:10,14,15'"],
    "xid": ["'4294967295'"],
    "xid8": ["'18446744073709551615'"],
    "cid": ["'7'"],
    "tid": ["'(1,2)'"],
    "regclass": ["'pg_class'", "0::regclass"],
    "regtype": ["'int4'", "'int4[]'"],
    "regproc": ["'pg_sleep'"],
    "regrole": ["'postgres'"],
    "regnamespace": ["'pg_catalog'"],
    "jsonpath": ["'$.a[*] ? (@ > 1)'"],
    "int4range": ["'empty'", "'[1,5)'", "'(,)'", "'[,3]'"],
    "int8range": ["'[-9223372036854775808,9223372036854775807)'"],
    "numrange": ["'[1.50,2.500]'", "'(,1]'"],
    "tsrange": ["'[\"2026-01-01 10:00:00\",\"2026-01-02\")'", "'[,infinity)'"],
    "tstzrange": ["'[\"2026-01-01 10:00:00+00\",)'"],
    "daterange": ["'[2026-01-01,2026-02-01)'", "'empty'"],
    "int4multirange": ["'{}'", "'{[1,3),[5,7)}'"],
    "tstzmultirange": ["'{[2026-01-01 00:00:00+00,2026-01-02 00:00:00+00)}'"],
    "textrange": ["textrange('a\"b', 'c,d')", "textrange('(', ')')", "textrange('\\', NULL)"],
    "int2vector": ["'1 2 3'", "''"],
    "oidvector": ["'1 2 4294967295'"],
    # arrays
    "int4[]": ["'{}'", "'{1,2,3}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:2]={1,2,3}'", "'[-1:0][2:3]={{1,2},{3,4}}'",
               "'{{{1},{2}},{{3},{4}}}'", "array_fill(7, ARRAY[2,1,2,1,2,1])", "array_agg_ints(3000)"],
    "int8[]": ["'{-9223372036854775808,NULL}'"],
    "bool[]": ["'{t,f,NULL}'"],
    "float8[]": ["'{1.5,NaN,Infinity,-Infinity,NULL,1e300,-0}'"],
    "numeric[]": ["'{1.50,NaN,12345678901234567890.10}'"],
    "text[]": ["ARRAY['', 'a', 'NULL', NULL, 'null', 'a,b', '{', '}', '\"', '\\', ' x ', E'\\n\\t', 'ä', '{\"a\":1}']",
               "ARRAY[ARRAY['a','b'],ARRAY['c\"','d\\']]", "'{}'", "ARRAY[repeat('\\', 100)]", "ARRAY[E'\\x01\\x1f']"],
    "varchar(3)[]": ["ARRAY['a','äb ','']"],
    "char(4)[]": ["ARRAY['a','',NULL]"],
    "bytea[]": ["ARRAY['\\x00ff'::bytea, '', NULL]"],
    "date[]": ["'{2026-11-22,infinity,NULL,\"0044-03-15 BC\"}'"],
    "timestamp[]": ["'{\"2026-11-22 10:00:00.5\",-infinity,\"0044-03-15 10:00:00 BC\"}'"],
    "timestamptz[]": ["'{\"2026-11-22 10:00:00.5+02\",NULL}'"],
    "timetz[]": ["'{12:00:00+05:30}'"],
    "interval[]": ["'{\"1 day\",\"-1 mon\"}'"],
    "json[]": ["ARRAY['{\"a\" : [1, 2]}'::json, 'null'::json, NULL, '\"x\\\"y\"'::json, '1.00'::json]"],
    "jsonb[]": ["ARRAY['{\"a\" : [1, 2]}'::jsonb, 'null', NULL, '\"a\\\\b\"']"],
    "uuid[]": ["'{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'"],
    "inet[]": ["'{10.0.0.1,::1}'"],
    "point[]": ["'{\"(1,2)\",\"(3,4)\"}'"],
    "box[]": ["'{(3,4),(1,2);(7,8),(5,6)}'"],  # the one type whose delimiter is not a comma
    "int4range[]": ["'{\"[1,5)\",empty,NULL}'"],
    "int4multirange[]": ["ARRAY['{[1,3)}'::int4multirange]"],
    "money[]": ["'{\"$1,234.50\",NULL}'"],
    "mood[]": ["'{sad,\"so, so\",NULL}'"],
    "regclass[]": ["'{pg_class}'"],
    # types of the user's own
    "mood": ["'sad'", "'so, so'", "'\"'", "'ä'"],
    "posint": ["1", "2147483647"],
    "shorttext": ["'a'", "'\"'"],
    "posint_array": ["'{1,2}'", "'{}'"],
    "domain_of_domain": ["5"],
    "domain_json": ["'{\"a\" : 1.0}'"],
    "domain_ts": ["'2026-11-22 10:00:00'"],
    "domain_mood": ["'sad'"],
    "posint[]": ["'{1,2,NULL}'"],
    "domain_json[]": ["ARRAY['{\"a\" : 1.0}'::domain_json]"],
}

TYPES_SQL = """
CREATE TYPE mood AS ENUM ('sad', 'so, so', '"', 'ä');
CREATE DOMAIN posint AS int4 CHECK (VALUE > 0);
CREATE DOMAIN domain_of_domain AS posint;
CREATE DOMAIN shorttext AS varchar(10);
CREATE DOMAIN posint_array AS int4[];
CREATE DOMAIN domain_json AS json;
CREATE DOMAIN domain_ts AS timestamptz;
CREATE DOMAIN domain_mood AS mood;
CREATE TYPE textrange AS RANGE (subtype = text);
CREATE TYPE pair AS (a int4, b text, c timestamptz);
CREATE TYPE nest AS (p pair, list int4[], j jsonb, "we""ird, name" text);
CREATE DOMAIN domain_pair AS pair;
CREATE FUNCTION array_agg_ints(n int) RETURNS int4[] LANGUAGE sql IMMUTABLE AS
  'SELECT array_agg(i) FROM generate_series(1, n) i';
"""

# Composites: their text by default, to_json() with `composite: nested`.
COMPOSITES = {
    "pair": ["ROW(1, 'a', '2026-11-22 10:00:00+00')", "ROW(NULL, NULL, NULL)", "ROW(1, '', NULL)",
             "ROW(-1, 'quote \" comma , paren ) back \\', 'infinity')", "ROW(0, E'\\n', '0044-03-15 10:00:00+00 BC')"],
    "nest": ["ROW(ROW(1, 'x\"y\\z', '2026-11-22 10:00:00+00'), '{1,NULL,2}', '{\"k\": [1, \"v\\\"\"]}', 'w')",
             "ROW(NULL, '{}', 'null', '')", "ROW(ROW(NULL, NULL, NULL), '{{1},{2}}', NULL, NULL)"],
    "pair[]": ["ARRAY[ROW(1, 'a,b', NULL)::pair, NULL, ROW(2, '\"\\', 'infinity')::pair]", "'{}'"],
    "domain_pair": ["ROW(1, 'd', NULL)::pair"],
}
