#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every type's values through a real pgoutput and the decoder, judged by to_json() of the same server.

types_real.py DECODE_PRINT.  Exit status 77: nothing to test with.  LEAT_PG_BIN names the folder of
another server's programs.
"""
import glob, os, pwd, shutil, subprocess, sys, tempfile

try:
    import psycopg2
except ImportError:
    print("skipped: no psycopg2")
    sys.exit(77)

DIGITS = "9" * 300
NASTY = ["", " ", "a", "NULL", "null", "{}", "{a,b}", "a,b", "a;b", '"', '""', "\\", "\\\\", "\\x41", "(1,2)", "é€𝄞",
         "\n\r\t\b\f\x01\x1f\x7f", "'", "\u2028", "<b>&</b>", "x" * 5000, "[1:2]={1,2}", "true", "1", ")", "("]
VALUES = {
    "bool": ["t", "f"],
    "int2": ["0", "-32768", "32767"],
    "int4": ["0", "-1", "-2147483648", "2147483647"],
    "int8": ["0", "-9223372036854775808", "9223372036854775807", "999999999999999999"],
    "float4": ["0", "-0", "1.5", "3.4028235e38", "1e-45", "NaN", "Infinity", "-Infinity", "1e10", "0.1"],
    "float8": ["0", "-0", "1.7976931348623157e308", "5e-324", "NaN", "Infinity", "-Infinity", "1e15", "1e16", "0.1",
               "-123456.789"],
    "numeric": ["0", "-0.00", "1.10", "NaN", "Infinity", "-Infinity", DIGITS, "-" + DIGITS + "." + DIGITS, "1e-300", "1e300"],
    "numeric(10,2)": ["1", "-99999999.99", "0.005"],
    "text": NASTY, "varchar(6000)": NASTY, "bpchar(12)": ["", "a", 'q"\\', "NULL"], '"char"': ["", "a", "\\", '"', "{"],
    "name": ["", "a", 'q"\\,', "NULL", "x" * 63], "refcursor": ["a b"],
    "bytea": ["\\x", "\\x00", "\\x0102ff5c22", "\\x" + "ab" * 3000],
    "date": ["2026-11-22", "0001-01-01", "4713-01-01 BC", "0044-03-15 BC", "5874897-12-31", "infinity", "-infinity"],
    "time": ["00:00:00", "24:00:00", "23:59:59.999999", "10:00:00.1"],
    "time(0)": ["10:00:00.6"],
    "timetz": ["00:00:00+00", "10:00:00.5-08", "10:00:00+05:30", "10:00:00+05:30:15", "24:00:00-15:59"],
    "timestamp": ["2026-11-22 10:00:00", "2026-11-22 10:00:00.123456", "0001-01-01 00:00:00 BC", "4713-01-01 00:00:00 BC",
                  "294276-12-31 23:59:59.999999", "infinity", "-infinity", "10000-01-01 00:00:00.1"],
    "timestamp(3)": ["2026-11-22 10:00:00.123456"],
    "timestamptz": ["2026-11-22 10:00:00+00", "2026-11-22 10:00:00.123456-08", "0001-01-01 00:00:00+00 BC",
                    "294276-12-31 23:59:59.999999+00", "infinity", "-infinity", "1800-01-01 00:00:00+05:30:15"],
    "interval": ["0", "1 year 2 mons 3 days 04:05:06.789", "-1 year -2 mons +3 days -04:05:06", "178000000 years", "1 mon -1 day"],
    "uuid": ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"],
    "json": ["null", "1", "1.50e+10", '"x"', ' { "b" : 1 , "a" : [ 1 ,2 ], "a" : "\\u0041\\u0000\\"{[," } ', "[]", " [ ] ", "{ }",
             "true", "\t\n[\r1]", '"' + "y" * 3000 + '"', "[" * 900 + "]" * 900, "-0.0e-0"],
    "jsonb": ["null", "1", "1.50e+10", '"x"', '{"b":1,"a":[1,2,{"c":null}],"d":"\\u0041\\"{[, :"}', "[]", "{}", "true", DIGITS,
              '"\\u00e9\\n\\u0001"'],
    "jsonpath": ['$."a"[*] ? (@ > 1)', "$"],
    "xml": ['<a b="c">&lt;\n</a>', "text"],
    "inet": ["127.0.0.1", "10.0.0.0/8", "::1", "fe80::1/64"], "cidr": ["10.0.0.0/8", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"], "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "money": ["0", "-92233720368547758.08", "1234567.89"],
    "bit(3)": ["101"], "varbit": ["", "1", "10101010101"],
    "point": ["(1,-2.5)", "(NaN,Infinity)"], "lseg": ["[(0,0),(1,1)]"], "line": ["{1,2,3}"],
    "path": ["[(0,0),(1,1)]", "((0,0),(1,1))"], "box": ["(1,1),(0,0)", "(2,2),(1,1)"],
    "polygon": ["((0,0),(1,1),(2,0))"], "circle": ["<(0,0),1>"],
    "tsvector": ["'a':1 'b''c':2,3A", "'a b' '\"' '\\\\'", ""], "tsquery": ["'a' & !'b'", "'a b' <-> 'c'"],
    "int4range": ["empty", "[1,5)", "(,)", "[1,)"], "int8range": ["[1,5)"], "numrange": ["[1.10,2]", "(,1e100)"],
    "daterange": ["[2026-01-01,2026-02-01)", "[-infinity,infinity]"],
    "tsrange": ['["2026-01-01 00:00:00","2026-01-02 00:00:00.5")'], "tstzrange": ['["2026-01-01 00:00:00+00",)'],
    "int4multirange": ["{}", "{[1,2),[5,9)}"], "tstzmultirange": ['{["2026-01-01 00:00:00+00","2026-01-02 00:00:00+00")}'],
    "nummultirange": ["{[1.5,2.5]}"],
    "pg_lsn": ["0/0", "16/B374D848"], "oid": ["0", "4294967295"], "xid": ["3"], "cid": ["3"], "tid": ["(0,1)"], "xid8": ["99999999999"],
    "regclass": ["pg_class", "0"], "regproc": ["now", "0"], "regprocedure": ["now()"], "regtype": ["int4", "timestamptz"],
    "regoper": ["0"], "regrole": ["postgres"], "regnamespace": ["pg_catalog"], "regconfig": ["english"], "regdictionary": ["simple"],
    "regcollation": ['"C"'],
    "int2vector": ["", "1", "1 -2 3"], "oidvector": ["", "1 2 4294967295"],
    "pg_snapshot": ["10:20:10,14,15"], "txid_snapshot": ["10:20:10,14,15"],
    "aclitem": ["postgres=r/postgres"],
    "public.mood": ["sad", "odd \"mood\"", "a,b", "null"],
    "public.floats": ["[1.5,2.5]"],
}
SETTINGS = ("-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
            "-c lc_monetary=C -c search_path=pg_catalog -c client_encoding=UTF8")


def compact(text):
    """JSON without the white space between its tokens."""
    out, at, inside = [], 0, False
    while at < len(text):
        c = text[at]
        if inside and c == "\\":
            out.append(text[at:at + 2])
            at += 2
            continue
        if c == '"':
            inside = not inside
        if inside or c not in " \t\r\n":
            out.append(c)
        at += 1
    return "".join(out)


def find_server():
    named = os.environ.get("LEAT_PG_BIN")
    for folder in [named] if named else sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True):
        if os.access(folder + "/initdb", os.X_OK):
            return folder
    print("skipped: no PostgreSQL server programs")
    sys.exit(77)


def start(binaries, folder):
    data = folder + "/data"
    wrap = []
    if os.getuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        wrap = ["setpriv", "--reuid=nobody", f"--regid={user.pw_gid}", "--clear-groups", "--"]

    def run(*command):
        subprocess.run([*wrap, *command], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    run(binaries + "/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    with open(data + "/postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write(f"listen_addresses=''\nunix_socket_directories='{folder}'\nwal_level=logical\nfsync=off\n")
    run(binaries + "/pg_ctl", "-D", data, "-l", folder + "/log", "-w", "start")
    return lambda: run(binaries + "/pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def make_tables(db):
    """One table a type: the value, and all that can be made of it."""
    db.execute("""CREATE TYPE public.mood AS ENUM ('sad', 'odd "mood"', 'a,b', 'null')""")
    db.execute("CREATE TYPE public.floats AS RANGE (subtype = float8)")
    names = {}
    for number, (kind, values) in enumerate(VALUES.items()):
        name = f"public.t{number}"
        names[name] = kind
        db.execute(f"CREATE DOMAIN public.d{number} AS {kind}")
        db.execute(f"CREATE DOMAIN public.dd{number} AS {kind}[]")
        db.execute(f'CREATE TYPE public.c{number} AS (x {kind}, y {kind}[], "odd "" name" text)')
        db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, v {kind}, a {kind}[], d public.d{number}, da public.d{number}[],"
                   f" dd public.dd{number}, c public.c{number}, ca public.c{number}[], cc public.c{number}[])")
        for row, value in enumerate(values):
            v = f"%(v)s::{kind}"
            db.execute(f"INSERT INTO {name} VALUES (%(id)s, {v}, ARRAY[{v},NULL,{v}], {v}, ARRAY[{v}]::public.d{number}[],"
                       f" ARRAY[ARRAY[{v}],ARRAY[{v}]], ROW({v},ARRAY[{v}],%(n)s), ARRAY[ROW({v},ARRAY[{v},NULL],NULL),NULL]::public.c{number}[],"
                       f" ARRAY[ROW(NULL,'{{}}',%(n)s)]::public.c{number}[])",
                       {"id": row, "v": value, "n": NASTY[row % len(NASTY)]})
        if "vector" not in kind or kind == "tsvector":  # array_agg of int2vector is no int2vector[]
            db.execute(f"INSERT INTO {name} SELECT -1, NULL, s, NULL, ARRAY[s,s], s FROM (SELECT array_agg(v) AS s FROM {name}) t")
        db.execute(f"INSERT INTO {name} VALUES (-2, NULL, '{{}}', NULL, NULL, '{{}}', ROW(NULL,NULL,NULL), '{{}}')")
        db.execute(f"INSERT INTO {name} SELECT -3, NULL, ('[-1:0]=' || ARRAY[v,NULL]::text)::{kind}[] FROM {name} WHERE id = 0")
    return names


def expectations(db, names, nested):
    """What to_json() makes of each column, by (table, id, column)."""
    expected = {}
    for name in names:
        db.execute(f"SELECT * FROM {name} LIMIT 0")
        columns = [c.name for c in db.description]
        for column in columns:
            what = column
            if not nested and column == "c":
                what = "c::text"
            elif not nested and column in ("ca", "cc"):
                what = f"{column}::text[]"
            db.execute(f"SELECT id, coalesce(to_json({what})::text, 'null') FROM {name}")
            for row, text in db.fetchall():
                expected[name, str(row), column] = text
    return expected


def decode(program, dsn, mode, messages):
    done = subprocess.run([program, dsn, mode], input="\n".join(messages) + "\n", capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"FAILED: {program} ended with {done.returncode}: {done.stderr}")
    got = {}
    for line in done.stdout.split("\n"):
        if line:
            schema, table, row, column, value = line.split("\t", 4)
            got[f"{schema}.{table}", row, column] = value
    return got


def check_builtin(program, db):
    db.execute("SELECT t.oid, t.typelem, e.typdelim FROM pg_type t JOIN pg_type e ON e.oid = t.typelem WHERE t.oid < 10000"
               " AND t.typtype <> 'p' AND t.typsubscript = 'array_subscript_handler'::regproc AND t.oid NOT IN (22, 30)")
    server = {tuple(map(str, row)) for row in db.fetchall()}
    ours = {tuple(line.split("\t")) for line in subprocess.check_output([program, "--builtin"], text=True).splitlines()}
    return [f"table of types: {row}" for row in server ^ ours]


def run(program, folder):
    dsn = f"host={folder} user=postgres dbname=postgres"
    connection = psycopg2.connect(dsn, options=SETTINGS)
    connection.autocommit = True
    db = connection.cursor()
    db.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")
    db.execute("CREATE PUBLICATION p FOR ALL TABLES")
    names = make_tables(db)
    db.execute("SELECT data FROM pg_logical_slot_peek_binary_changes('s', NULL, NULL, 'proto_version', '1',"
               " 'publication_names', 'p', 'messages', 'true')")
    messages = [bytes(row[0]).hex() for row in db.fetchall()]
    wrong, count = check_builtin(program, db), 0
    for mode in ("text", "nested"):
        got = decode(program, dsn, mode, messages)
        expected = expectations(db, names, mode == "nested")
        count += len(expected)
        for key, text in expected.items():
            if got.get(key) != compact(text):
                wrong.append(f"{mode} {names[key[0]]} {key}: {got.get(key)!r:.300} is not {text!r:.300}")
        if set(got) - set(expected):
            wrong.append(f"{mode}: rows that the table has not")
    connection.close()
    for line in wrong[:40]:
        print(line)
    print(f"{count} values of {len(names)} types, {len(messages)} messages, {len(wrong)} wrong")
    return 1 if wrong else 0


def main():
    binaries = find_server()
    folder = tempfile.mkdtemp(prefix="leat-decode-")
    stop = None
    try:
        stop = start(binaries, folder)
        return run(sys.argv[1], folder)
    finally:
        if stop:
            stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
