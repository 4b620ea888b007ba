# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL is the judge of every type: each column of each record equals to_json() of the same row."""
import pytest

from leat_harness.fixtures import cluster_of
from leat_harness import rawjson, versions
from values import COMPOSITES, TYPES_SQL, VALUES

HOSTILE_SETTINGS = [  # of the database: what leat gets must not depend on them
    "TimeZone = 'Asia/Kolkata'", "DateStyle = 'German, DMY'", "IntervalStyle = 'iso_8601'", "bytea_output = 'escape'",
    "extra_float_digits = -5", "search_path = public, pg_catalog", "standard_conforming_strings = on",
    "client_min_messages = 'debug1'", "xmlbinary = 'hex'",
]
JSON_TYPES = ("json", "jsonb", "domain_json")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def same(got, expected, exact_text):
    if exact_text:
        return got == rawjson.squeeze(expected)
    return got == expected or rawjson.exact(got) == rawjson.exact(expected)


def prepare(db, types):
    for setting in HOSTILE_SETTINGS:
        db.execute(f"ALTER DATABASE {db.name} SET {setting}")
    db.execute(TYPES_SQL)
    columns = []
    for number, declared in enumerate(types):
        columns.append((f"c{number}", declared, types[declared]))
    list_sql = ", ".join(f"{name} {declared}" for name, declared, _ in columns)
    return columns, list_sql


def rows_of(columns):
    """One INSERT's column and value lists for each row: row n holds the n-th value of each type, and every type's
    last row is NULL."""
    depth = max(len(values) for _, _, values in columns)
    for n in range(depth):
        present = [(name, declared, values[n]) for name, declared, values in columns if n < len(values)]
        yield [name for name, _, _ in present], [f"({value})::{declared}" for _, declared, value in present]


def judge(connection, table, columns, json_of):
    """{id: {column: to_json text}} of the rows that are there."""
    exprs = ", ".join(json_of(name, declared) for name, declared, _ in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, {exprs} FROM public.{table}")
        return {row[0]: {columns[i][0]: row[i + 1] or "null" for i in range(len(columns))} for row in cursor}


def plain_json(name, declared):
    return f"to_json({name})::text"


def composite_text(name, declared):
    if declared.endswith("[]"):
        # By subscript: unnest() would turn an element that is null into a row of nulls.
        return (f"CASE WHEN {name} IS NOT NULL THEN coalesce((SELECT json_agg(({name})[i]::text ORDER BY i) "
                f"FROM generate_subscripts({name}, 1) i), '[]')::text END")
    return f"to_json({name}::text)::text"


def composite_nested(name, declared):
    return f"to_json({name})::text"


def compare(record, part, row, columns, wrong):
    got = record.columns(part)
    if got is None:
        wrong.append(f"no {part}: {record}")
        return 0
    for name, declared, _ in columns:
        if name not in got:
            wrong.append(f"{declared}: not in {part}")
        elif not same(got[name], row[name], declared in JSON_TYPES):
            wrong.append(f"{declared} in {part}: got {got[name][:200]} expected {row[name][:200]}")
    return len(columns)


def run(db, leat, types, json_of, source=None):
    columns, list_sql = prepare(db, types)
    db.execute(f"CREATE TABLE public.v (id int PRIMARY KEY, {list_sql}); "
               "ALTER TABLE public.v REPLICA IDENTITY FULL; CREATE PUBLICATION leat FOR TABLE public.v")
    daemon = leat(db.dsn(), source=source).start()
    daemon.wait_streaming(db)
    judged = db.connect(judge=True)
    with judged.cursor() as cursor:
        for number, (names, values) in enumerate(rows_of(columns)):
            cursor.execute(f"SET search_path = public, pg_catalog; INSERT INTO public.v (id, {', '.join(names)}) "
                           f"VALUES ({number}, {', '.join(values)})")
        cursor.execute("SET search_path = pg_catalog")
    before = judge(judged, "v", columns, json_of)
    # Every row again as an update (old and new row in full), then as a delete.
    db.execute("UPDATE public.v SET id = id + 100000")
    after = judge(judged, "v", columns, json_of)
    db.execute("DELETE FROM public.v")
    judged.close()
    found = daemon.fence(db)
    wrong, compared = [], 0
    for record in found:
        if record.op in ("insert", "update"):
            number = int(record.after["id"])
            compared += compare(record, "after", after.get(number) or before[number], columns, wrong)
        if record.op in ("update", "delete"):
            number = int(record.before["id"])
            compared += compare(record, "before", before.get(number) or after[number], columns, wrong)
    assert not wrong, f"{len(wrong)} of {compared} values differ:\n" + "\n".join(wrong[:40])
    assert len(found) == 3 * len(before)
    assert compared == 4 * len(before) * len(columns)
    assert daemon.terminate() == 0
    return compared


@pytest.mark.subset
@pytest.mark.parametrize("major", [versions.DEBIAN, *versions.OTHERS])
def test_every_value_is_what_to_json_gives(major, things, leat):
    db = cluster_of(major).new_database()
    things.append(db)
    types = {name: values for name, values in VALUES.items()
             if major != "14" or not name.startswith(("numeric(3,-2)",))}
    if major == "14":
        types["numeric"] = [value for value in types["numeric"]]
    if major in ("17", "18"):
        types["interval"] = types["interval"] + ["'infinity'", "'-infinity'"]
    assert run(db, leat, types, plain_json) > 5000


def test_a_composite_is_its_text_by_default(db, leat):
    run(db, leat, COMPOSITES, composite_text)


def test_a_nested_composite_is_what_to_json_gives(db, leat):
    run(db, leat, COMPOSITES, composite_nested, source={"composite": "nested"})


def test_a_composite_of_another_time_is_its_text(db, leat):
    """The names are today's: a value whose attributes were others, as many, but not of these types, is its text."""
    db.execute("CREATE TYPE pair AS (a int, b text); CREATE TYPE outer_pair AS (p pair, n int); "
               "CREATE TABLE t (id int PRIMARY KEY, p pair, q pair[], o outer_pair); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), source={"composite": "nested"}).start()
    daemon.wait_streaming(db)
    assert daemon.terminate() == 0
    db.execute("INSERT INTO t VALUES (1, ROW(1, 'x'), ARRAY[ROW(2, 'y z')::pair, NULL], ROW(ROW(3, 'w')::pair, 4))")
    db.execute("ALTER TYPE pair DROP ATTRIBUTE b, ADD ATTRIBUTE c int")
    db.execute("INSERT INTO t VALUES (2, ROW(1, 5), ARRAY[ROW(2, 6)::pair, NULL], ROW(ROW(3, 7)::pair, 4))")
    daemon.start()
    found = [record.columns("after") for record in daemon.fence(db)]
    assert found == [
        {"id": "1", "p": '"(1,x)"', "q": r'["(2,\"y z\")",null]', "o": '{"p":"(3,w)","n":4}'},
        {"id": "2", "p": '{"a":1,"c":5}', "q": '[{"a":2,"c":6},null]', "o": '{"p":{"a":3,"c":7},"n":4}'}]


def test_json_and_arrays_can_stay_text(db, leat):
    types = {"json": VALUES["json"], "jsonb": VALUES["jsonb"], "int4[]": VALUES["int4[]"], "text[]": VALUES["text[]"]}
    run(db, leat, types, lambda name, declared: f"to_json({name}::text)::text", source={"json": "text", "array": "text"})


def test_numbers_and_bytes_in_other_spellings(db, leat):
    types = {"int8": VALUES["int8"], "int4": VALUES["int4"], "numeric": ["0", "1.50", "'NaN'"], "bytea": VALUES["bytea"]}
    columns, list_sql = prepare(db, types)
    db.execute(f"CREATE TABLE public.v (id int PRIMARY KEY, {list_sql}); CREATE PUBLICATION leat FOR TABLE public.v")
    daemon = leat(db.dsn(), sink={"numeric": "string", "int8": "string", "bytea": "base64"}).start()
    daemon.wait_streaming(db)
    for number, (names, values) in enumerate(rows_of(columns)):
        db.execute(f"INSERT INTO public.v (id, {', '.join(names)}) VALUES ({number}, {', '.join(values)})")
    spelled = {"int8": "to_json({}::text)", "int4": "to_json({})", "numeric": "to_json({}::text)",
               "bytea": "to_json(translate(encode({}, 'base64'), E'\\n', ''))"}
    rows = judge(db.connect(judge=True), "v", columns, lambda name, declared: spelled[declared].format(name) + "::text")
    wrong = []
    for record in daemon.fence(db):
        compare(record, "after", rows[int(record.after["id"])], columns, wrong)
    assert not wrong, "\n".join(wrong)


IDENTITIES = {
    "default": ("", {"id"}),
    "full": ("ALTER TABLE public.r REPLICA IDENTITY FULL", {"id"}),
    "index": ("CREATE UNIQUE INDEX r_code ON public.r (code, id2); "
              "ALTER TABLE public.r REPLICA IDENTITY USING INDEX r_code", {"code", "id2"}),
    "nothing": ("ALTER TABLE public.r REPLICA IDENTITY NOTHING", set()),
    "full without a primary key": ("ALTER TABLE public.r DROP CONSTRAINT r_pkey; "
                                   "ALTER TABLE public.r REPLICA IDENTITY FULL", set()),
    "default without a primary key": ("ALTER TABLE public.r DROP CONSTRAINT r_pkey", set()),
}


@pytest.mark.subset
@pytest.mark.parametrize("identity", IDENTITIES)
def test_every_operation_under_every_replica_identity(identity, db, leat):
    sql, key = IDENTITIES[identity]
    db.execute("CREATE TABLE public.r (id int PRIMARY KEY, code text NOT NULL, id2 int NOT NULL, note text, n numeric); "
               f"{sql}; CREATE PUBLICATION leat FOR TABLE public.r")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    full, changes = identity.startswith("full"), bool(key) or identity.startswith("full")
    row = {"id": 1, "code": "a", "id2": 10, "note": "x", "n": "1.50"}
    steps = [("insert", None, dict(row))]
    db.execute("INSERT INTO public.r VALUES (1, 'a', 10, 'x', 1.50)")
    if changes:
        for change in ({"note": "y"}, {"note": None}, {"id": 2}, {"code": "b"}, {"id2": 11, "note": "z"},
                       {"id": 3, "code": "c", "id2": 12, "n": None}):
            old, row = row, {**row, **change}
            sets = ", ".join(f"{name} = %s" for name in change)
            db.execute(f"UPDATE public.r SET {sets}", tuple(change.values()))
            steps.append(("update", old, dict(row)))
        db.execute("DELETE FROM public.r")
        steps.append(("delete", row, None))
    found = daemon.fence(db)
    assert [record.op for record in found] == [step[0] for step in steps]

    def shown(values):
        return values and {name: None if value is None else str(value) for name, value in values.items()}
    for record, (op, old, new) in zip(found, steps):
        owner = old or new
        assert record.key == (shown({name: owner[name] for name in owner if name in key}) if key else None), record
        assert record.after == shown(new), record
        assert record.before == (shown(old) if full and old else None), record
        assert record.missing is None, record
