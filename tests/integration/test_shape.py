# SPDX-License-Identifier: Apache-2.0
"""The record's shape: order of fields, what is there for which operation, and what is left out."""
import re

import pytest

from leat_harness import records

GOLDEN = """
{"op":"insert","schema":"public","table":"orders","lsn":"L1","xid":X1,"ts":"T1","seq":0,"key":{"id":7},"after":{"id":7,"note":"a","total":1.50}}
{"op":"update","schema":"public","table":"orders","lsn":"L2","xid":X2,"ts":"T2","seq":0,"key":{"id":7},"after":{"id":7,"note":"b","total":1.50}}
{"op":"update","schema":"public","table":"orders","lsn":"L2","xid":X2,"ts":"T2","seq":1,"key":{"id":7},"after":{"id":8,"note":"b","total":1.50}}
{"op":"delete","schema":"public","table":"orders","lsn":"L3","xid":X3,"ts":"T3","seq":0,"key":{"id":8}}
{"op":"insert","schema":"public","table":"whole","lsn":"L4","xid":X4,"ts":"T4","seq":0,"key":{"id":1},"after":{"id":1,"note":null}}
{"op":"update","schema":"public","table":"whole","lsn":"L4","xid":X4,"ts":"T4","seq":1,"key":{"id":1},"before":{"id":1,"note":null},"after":{"id":1,"note":"n"}}
{"op":"delete","schema":"public","table":"whole","lsn":"L4","xid":X4,"ts":"T4","seq":2,"key":{"id":1},"before":{"id":1,"note":"n"}}
{"op":"truncate","schema":"public","table":"orders","lsn":"L5","xid":X5,"ts":"T5","seq":0,"cascade":false,"restart_identity":true}
{"op":"message","lsn":"L6","xid":X6,"ts":"T6","seq":0,"prefix":"p","transactional":true,"content":"hello \\"w\\""}
{"op":"message","lsn":"L7","xid":X7,"ts":"T7","seq":0,"prefix":"bin","transactional":true,"content":"/wCA","encoding":"base64"}
{"op":"message","lsn":"L8","seq":-1,"prefix":"now","transactional":false,"content":""}
"""


class Letters:
    """Replaces LSNs, xids and times by L1, X1, T1 in the order they are first seen."""

    def __init__(self):
        self.seen = {}

    def __call__(self, line):
        lsn = re.search(r'"lsn":"([0-9A-F]+/[0-9A-F]+)"', line).group(1)
        number = self.seen.setdefault(lsn, len(self.seen) + 1)
        line = line.replace(f'"lsn":"{lsn}"', f'"lsn":"L{number}"')
        line = re.sub(r'"xid":[1-9][0-9]*', f'"xid":X{number}', line, 1)
        return re.sub(r'"ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"', f'"ts":"T{number}"', line, 1)


def start(db, leat, **options):
    daemon = leat(db.dsn(), **options).start()
    daemon.wait_streaming(db)
    return daemon


@pytest.mark.subset
def test_each_operation_has_its_golden_line(db, leat):
    db.execute("CREATE TABLE orders (id int PRIMARY KEY, note text, total numeric); "
               "CREATE TABLE whole (id int PRIMARY KEY, note text); ALTER TABLE whole REPLICA IDENTITY FULL; "
               "CREATE PUBLICATION leat FOR TABLE orders, whole")
    daemon = start(db, leat)
    for sql in ("INSERT INTO orders VALUES (7, 'a', 1.50)",
                "BEGIN; UPDATE orders SET note = 'b'; UPDATE orders SET id = 8; COMMIT",
                "DELETE FROM orders",
                "BEGIN; INSERT INTO whole VALUES (1); UPDATE whole SET note = 'n'; DELETE FROM whole; COMMIT",
                "TRUNCATE orders RESTART IDENTITY",
                "SELECT pg_logical_emit_message(true, 'p', 'hello \"w\"')",
                "SELECT pg_logical_emit_message(true, 'bin', '\\xff0080'::bytea)",
                "SELECT pg_logical_emit_message(false, 'now', '')"):
        db.execute(sql)
    letters = Letters()
    got = [letters(record.line) for record in daemon.fence(db)]
    assert got == GOLDEN.strip().split("\n")


def test_identity_and_time_are_what_the_server_says(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    expected = []
    for n in range(20):
        xid = db.scalar(f"INSERT INTO t SELECT {n} * 10 + g FROM generate_series(0, {n % 3}) g "
                        "RETURNING pg_current_xact_id()::xid::text::int8")
        stamp = db.scalar("SELECT to_char(pg_xact_commit_timestamp(%s::text::xid) AT TIME ZONE 'UTC', "
                          "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", (xid,))
        expected += [(str(xid), stamp, str(seq)) for seq in range(n % 3 + 1)]
    found = daemon.fence(db)
    assert [(record.xid, record.ts, record.seq) for record in found] == expected
    positions = [record.position for record in found]
    assert positions == sorted(set(positions))


def test_truncate_of_many_tables_is_one_record_a_table(db, leat):
    db.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); "
               "CREATE TABLE c (id int PRIMARY KEY, b int REFERENCES b); CREATE TABLE hidden (id int REFERENCES a); "
               "CREATE TABLE d (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE a, b, c, d")
    daemon = start(db, leat)
    db.execute("TRUNCATE a CASCADE")
    db.execute("TRUNCATE d, c RESTART IDENTITY")
    db.execute("TRUNCATE d; TRUNCATE d")
    found = daemon.fence(db)
    assert {record.op for record in found} == {"truncate"}
    first = [record for record in found if record.cascade]
    assert sorted(record.table for record in first) == ["a", "b", "c"] and found[:3] == first
    assert [int(record.seq) for record in first] == [0, 1, 2] and len({record.lsn for record in first}) == 1
    assert sorted(record.table for record in found[3:5]) == ["c", "d"]
    assert all(record.restart_identity and not record.cascade for record in found[3:5])
    assert [(record.table, record.restart_identity, record.cascade) for record in found[5:]] == [("d", False, False)] * 2
    assert all(set(record.fields) == {"op", "schema", "table", "lsn", "xid", "ts", "seq", "cascade",
                                      "restart_identity"} for record in found)


def test_messages_keep_their_place(db, leat):
    """In a transaction a message is one of its changes, outside it stands alone, and one whose LSN is that of the
    commit behind it sorts before that."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    db.execute("BEGIN; INSERT INTO t VALUES (1); SELECT pg_logical_emit_message(true, 'in', 'x'); "
               "INSERT INTO t VALUES (2); COMMIT")
    # A message's own LSN is the start of the next WAL record: the commit's, unless somebody else came between.
    for n in range(10, 15):
        db.execute(f"BEGIN; INSERT INTO t VALUES ({n}); SELECT pg_logical_emit_message(false, 'out', 'y'); COMMIT")
    db.execute("BEGIN; INSERT INTO t VALUES (4); SELECT pg_logical_emit_message(false, 'kept', 'z'); ROLLBACK")
    db.execute("BEGIN; INSERT INTO t VALUES (5); SELECT pg_logical_emit_message(true, 'lost', 'z'); ROLLBACK")
    found = daemon.fence(db)
    assert [(record.op, record.prefix, record.seq) for record in found] == [
        ("insert", None, "0"), ("message", "in", "1"), ("insert", None, "2"),
        *[("message", "out", "-1"), ("insert", None, "0")] * 5, ("message", "kept", "-1")]
    equal = [out for out, insert in zip(found[3:13:2], found[4:13:2]) if out.lsn == insert.lsn]
    assert equal, "the case that this test is for did not arise"
    assert all(out.xid is None and out.ts is None for out in found[3:13:2])
    positions = [record.position for record in found]
    assert positions == sorted(set(positions))


def test_unchanged_toast_is_missing_never_null(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, n int, big text, other text); "
               "ALTER TABLE t ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL; "
               "CREATE TABLE f (LIKE t INCLUDING ALL); ALTER TABLE f REPLICA IDENTITY FULL; "
               "CREATE TABLE k (big text PRIMARY KEY, n int, other text); "
               "ALTER TABLE k ALTER big SET STORAGE EXTERNAL, ALTER other SET STORAGE EXTERNAL; "
               "CREATE PUBLICATION leat FOR TABLE t, f, k")
    daemon = start(db, leat)
    big, key = "b" * 9000, "k" * 2600
    for table in "tf":
        db.execute(f"INSERT INTO {table} VALUES (1, 0, %s, NULL)", (big,))
        db.execute(f"UPDATE {table} SET n = 1")
        db.execute(f"UPDATE {table} SET other = %s", (big,))
        db.execute(f"UPDATE {table} SET n = 2")
        db.execute(f"UPDATE {table} SET big = NULL")
    db.execute("INSERT INTO k VALUES (%s, 0, %s)", (key, big))
    db.execute("UPDATE k SET n = 1")
    found = daemon.fence(db)
    t, f, k = (found[at:at + 5] for at in (0, 5, 10))
    assert [record.missing for record in t] == [None, ["big"], ["big"], ["big", "other"], ["other"]]
    assert [list(record.after) for record in t] == [["id", "n", "big", "other"], ["id", "n", "other"],
                                                    ["id", "n", "other"], ["id", "n"], ["id", "n", "big"]]
    assert t[1].after["other"] is None and t[4].after["big"] is None
    # FULL sends the old row, so nothing is missing: what the new row lacks is filled in from it.
    assert all(record.missing is None for record in f)
    assert [record.after["big"] for record in f] == [big, big, big, big, None]
    assert f[3].after["other"] == big and f[3].before["other"] == big
    # A key stored out of line is sent as the old key, and fills the new row.
    assert k[1].key == {"big": key} and k[1].after["big"] == key and k[1].missing == ["other"], k[1]


HOSTILE = ['quo"te', "dot.ted", "sl/ash", "new\nline", "back\\slash", "sp ace", "ünï", "日本", "..", ".", "%41", "*", ">",
           "$x", "'", "tab\t", "x" * 63, "\U0001f600", "{table}", "select", "\x01", "\x7f", "-rf"]


def test_hostile_names_arrive_as_they_are(db, leat):
    def q(name):
        return '"' + name.replace('"', '""') + '"'
    for name in HOSTILE:
        if name not in ("public",):
            db.execute(f"CREATE SCHEMA {q(name)}")
        db.execute(f"CREATE TABLE {q(name)}.{q(name)} ({q(name)} int PRIMARY KEY, {q(name[:60] + '_2')} text)")
    tables = ", ".join(f"{q(name)}.{q(name)}" for name in HOSTILE)
    db.execute(f"CREATE PUBLICATION leat FOR TABLE {tables}")
    daemon = start(db, leat)
    for number, name in enumerate(HOSTILE):
        table = f"{q(name)}.{q(name)}".replace("%", "%%")
        db.execute(f"INSERT INTO {table} VALUES (%s, %s)", (number, name))
    found = daemon.fence(db)
    assert [(record.schema, record.table, record.key, record.after) for record in found] == [
        (name, name, {name: str(number)}, {name: str(number), name[:60] + "_2": name})
        for number, name in enumerate(HOSTILE)]


def test_hostile_slot_and_publication_names(db, leat):
    db.execute('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION "Pub, \'x\' ""y""" FOR TABLE t; '
               'CREATE PUBLICATION "second" FOR TABLE t')
    daemon = leat(db.dsn(), slot="slot_0", publication=['Pub, \'x\' "y"', "second"]).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    assert [record.op for record in daemon.fence(db)] == ["insert"]


@pytest.mark.parametrize("via_root", [True, False])
def test_partitions_either_way(via_root, db, leat):
    db.execute("CREATE TABLE m (id int, day date, v text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day); "
               "CREATE TABLE m_jan PARTITION OF m FOR VALUES FROM ('2026-01-01') TO ('2026-02-01'); "
               # a partition whose columns stand in another order, with a dropped one between
               "CREATE TABLE m_feb (v text, gone int, day date NOT NULL, id int NOT NULL); "
               "ALTER TABLE m_feb DROP COLUMN gone; "
               "ALTER TABLE m ATTACH PARTITION m_feb FOR VALUES FROM ('2026-02-01') TO ('2026-03-01'); "
               f"CREATE PUBLICATION leat FOR TABLE m WITH (publish_via_partition_root = {via_root})")
    daemon = start(db, leat)
    db.execute("INSERT INTO m VALUES (1, '2026-01-05', 'a'), (2, '2026-02-05', 'b')")
    db.execute("UPDATE m SET v = 'c'")
    db.execute("UPDATE m SET day = '2026-02-06' WHERE id = 1")
    db.execute("DELETE FROM m WHERE id = 2")
    db.execute("TRUNCATE m")
    found = daemon.fence(db)
    names = {record.table for record in found}
    assert names == ({"m"} if via_root else {"m_jan", "m_feb"})
    rows = [(record.op, record.key, record.after) for record in found if record.op != "truncate"]
    one, two = {"id": "1", "day": "2026-01-05"}, {"id": "2", "day": "2026-02-05"}
    moved = {"id": "1", "day": "2026-02-06"}
    assert rows == [("insert", one, {**one, "v": "a"}), ("insert", two, {**two, "v": "b"}),
                    ("update", one, {**one, "v": "c"}), ("update", two, {**two, "v": "c"}),
                    ("delete", one, None), ("insert", moved, {**moved, "v": "c"}), ("delete", two, None)]
    assert [record.table for record in found if record.op == "truncate"] == (["m"] if via_root else ["m_jan", "m_feb"])


def test_schema_changes_inside_a_transaction(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    db.execute("""
        BEGIN;
        INSERT INTO t VALUES (1, 'one');
        ALTER TABLE t ADD b int DEFAULT 5;
        INSERT INTO t VALUES (2, 'two');
        ALTER TABLE t RENAME a TO z;
        UPDATE t SET z = 'uno' WHERE id = 1;
        ALTER TABLE t DROP COLUMN z;
        INSERT INTO t VALUES (3, 6);
        ALTER TABLE t ALTER b TYPE text USING 'text ' || b;
        INSERT INTO t VALUES (4, 'x');
        ALTER TABLE t RENAME TO u;
        INSERT INTO u VALUES (5, 'y');
        ALTER TABLE u DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, b);
        DELETE FROM u WHERE b = 'y';
        CREATE TYPE mood AS ENUM ('sad');
        ALTER TABLE u ADD m mood[];
        INSERT INTO u VALUES (6, 'w', '{sad}');
        COMMIT""")
    db.execute("BEGIN; SAVEPOINT s; ALTER TABLE u ADD never int; INSERT INTO u VALUES (7, 'q', NULL, 1); "
               "ROLLBACK TO s; INSERT INTO u VALUES (8, 'r'); COMMIT")
    got = [(record.op, record.table, record.key, record.after) for record in daemon.fence(db)]
    assert got == [
        ("insert", "t", {"id": "1"}, {"id": "1", "a": "one"}),
        ("insert", "t", {"id": "2"}, {"id": "2", "a": "two", "b": "5"}),
        ("update", "t", {"id": "1"}, {"id": "1", "z": "uno", "b": "5"}),
        ("insert", "t", {"id": "3"}, {"id": "3", "b": "6"}),
        ("insert", "t", {"id": "4"}, {"id": "4", "b": "x"}),
        ("insert", "u", {"id": "5"}, {"id": "5", "b": "y"}),
        ("delete", "u", {"id": "5", "b": "y"}, None),
        ("insert", "u", {"id": "6", "b": "w"}, {"id": "6", "b": "w", "m": ["sad"]}),
        ("insert", "u", {"id": "8", "b": "r"}, {"id": "8", "b": "r", "m": None})]


def test_a_dropped_type_is_sent_as_its_text(db, leat):
    """The rows are written, the table and its types dropped, and only then does leat read."""
    db.execute("CREATE TYPE mood AS ENUM ('sad'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN d AS int; "
               "CREATE TABLE t (id int PRIMARY KEY, m mood, p pair, d d, l mood[]); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    daemon.fence(db)
    assert daemon.terminate() == 0
    db.execute("INSERT INTO t VALUES (1, 'sad', '(1,x)', 5, '{sad}')")
    db.execute("DROP TABLE t; DROP TYPE mood; DROP TYPE pair; DROP DOMAIN d")
    daemon.start()
    found = daemon.fence(db)
    assert [record.after for record in found] == [{"id": "1", "m": "sad", "p": "(1,x)", "d": "5", "l": "{sad}"}]


def test_copy_and_many_rows_share_no_identity(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    with db.connect() as connection, connection.cursor() as cursor:
        with open(scratch / "rows", "w", encoding="utf-8") as file:
            file.write("".join(f"{n}\tv{n}\n" for n in range(5000)))
        with open(scratch / "rows", encoding="utf-8") as file:
            cursor.copy_expert("COPY t FROM STDIN", file)
    connection.close()
    db.execute("UPDATE t SET v = v || '!' WHERE id < 1000")
    found = daemon.fence(db)
    assert [(record.op, int(record.after["id"]), int(record.seq)) for record in found] == (
        [("insert", n, n) for n in range(5000)] + [("update", n, n) for n in range(1000)])


def test_columns_without_a_key_and_empty_rows(db, leat):
    db.execute("CREATE TABLE nokey (v text); CREATE TABLE nothing (); CREATE TABLE gen (id int PRIMARY KEY, v int, "
               "w int GENERATED ALWAYS AS (v + 1) STORED); CREATE PUBLICATION leat FOR TABLE nokey, nothing, gen")
    daemon = start(db, leat)
    db.execute("INSERT INTO nokey VALUES ('a')")
    db.execute("INSERT INTO nothing DEFAULT VALUES")
    db.execute("INSERT INTO gen VALUES (1, 2)")
    found = daemon.fence(db)
    assert [(record.table, record.key, record.after) for record in found] == [
        ("nokey", None, {"v": "a"}), ("nothing", None, {}), ("gen", {"id": "1"}, {"id": "1", "v": "2"})]


def test_a_wide_row_keeps_every_column(db, leat):
    columns = [f"c{n}" for n in range(1599)]
    db.execute("CREATE TABLE t (id int PRIMARY KEY, " + ", ".join(f"{name} bool" for name in columns) + "); "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat)
    db.execute("INSERT INTO t (id, c0, c1598) VALUES (1, true, false)")
    (record,) = daemon.fence(db)
    assert list(record.after) == ["id", *columns]
    assert record.after["c0"] is True and record.after["c1598"] is False and record.after["c1"] is None


@pytest.mark.subset
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_fields_stand_in_their_order(compression, db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t REPLICA IDENTITY FULL; "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat, sink={"compression": compression})
    for n in range(50):
        db.execute(f"BEGIN; INSERT INTO t VALUES ({n}, 'x'); UPDATE t SET v = 'y' WHERE id = {n}; COMMIT")
    db.execute("DELETE FROM t; TRUNCATE t; SELECT pg_logical_emit_message(false, 'a', 'b')")
    found = daemon.fence(db)
    assert len(found) == 152
    for record in found:
        assert record.fields == [name for name in records.ORDER if name in record.raw]
        assert " " not in record.line.replace('"ts":"', "")
    suffix = {"none": ".ndjson", "zstd": ".ndjson.zst"}[compression]
    assert all(path.name.endswith(suffix) for path in records.segments(daemon.out))
    assert daemon.terminate() == 0
    assert len(daemon.records()) >= 152
