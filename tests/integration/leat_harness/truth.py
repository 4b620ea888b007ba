# SPDX-License-Identifier: Apache-2.0
"""Do the records equal the audit: each change once, in order, nothing that was aborted, values and all?

The order of commits is taken from the server's WAL (pg_waldump) where that program exists, and proved once more by
applying the records: each update and delete must find exactly the row that its trigger saw."""
import collections
import re
import subprocess

from . import rawjson, records
from .leat import is_fence
from .workload import KEYS, LEAVES, TABLES

Change = collections.namedtuple("Change", "who op table ident old new")


class Report:
    def __init__(self, seed=None):
        self.seed, self.wrong = seed, []

    def add(self, text):
        self.wrong.append(text if len(text) < 700 else text[:700] + "...")

    def finish(self):
        assert not self.wrong, f"seed {self.seed}: {len(self.wrong)} differences:\n" + "\n".join(self.wrong[:25])


def read_audit(db):
    """{xid: [Change]}, each list in the order in which its transaction made the changes."""
    found = collections.OrderedDict()
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT xid, who, op, tbl, ident, old, new FROM audit ORDER BY n")
        for xid, *rest in cursor:
            found.setdefault(xid, []).append(Change(*rest))
    connection.close()
    return found


def commit_positions(postgres, first):
    """{xid: LSN of its commit record}, out of the WAL itself, or None without the program."""
    program = postgres.bin / "pg_waldump"
    if not program.exists():
        return None
    timeline, end = postgres.execute("SELECT timeline_id, pg_current_wal_flush_lsn()::text FROM pg_control_checkpoint()")[0]
    # The segments by name: without one the program opens any, which may be one that was only set aside.
    segments = postgres.execute("SELECT pg_walfile_name(%s), pg_walfile_name(%s)", (first, end))[0]
    done = subprocess.run([str(program), "-p", str(postgres.data / "pg_wal"), "-t", str(timeline), "-s", first, "-e", end,
                           "-r", "Transaction", *segments], capture_output=True, text=True, check=False)
    # What was flushed may end inside a record, which is an error behind everything that counts.
    assert done.stdout or done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        match = re.search(r"tx:\s+(\d+), lsn: ([0-9A-F/]+), .*desc: COMMIT(?:_PREPARED (\d+))?", line)
        if match:
            found[match.group(3) or match.group(1)] = records.lsn_number(match.group(2))
    return found


def commit_times(db, xids):
    with db.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT x, to_char(pg_xact_commit_timestamp(x::xid) AT TIME ZONE 'UTC', "
                       "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM unnest(%s) x", (list(xids),))
        found = dict(cursor.fetchall())
    connection.close()
    return found


def verify(db, lines, first_lsn, seed=None, loose_messages=None):
    """AssertionError with the differences.  Returns the number of changes that were compared."""
    report = Report(seed)
    found = [records.Record(line) for line in lines]
    for before, after in zip(found, found[1:]):
        if before.position >= after.position:
            report.add(f"not ascending: {before} then {after}")
    found = [record for record in found if not is_fence(record)]
    report.finish()

    # Transactions: each in one piece, with the server's commit LSN and time.
    transactions, loose, last = collections.OrderedDict(), [], None
    for record in found:
        if record.xid is None:
            loose.append(record)
            continue
        if record.xid != last and record.xid in transactions:
            report.add(f"transaction {record.xid} comes in two pieces: {record}")
        transactions.setdefault(record.xid, []).append(record)
        last = record.xid
    audit = read_audit(db)
    for xid in audit.keys() - transactions.keys():
        report.add(f"lost: transaction {xid}, {len(audit[xid])} changes, first {audit[xid][0]}")
    for xid in transactions.keys() - audit.keys():
        report.add(f"never committed: transaction {xid}, first {transactions[xid][0]}")
    commits = commit_positions(db.postgres, first_lsn)
    times = commit_times(db, list(transactions))
    turns = {}
    for xid, mine in transactions.items():
        if len({(record.lsn, record.ts) for record in mine}) != 1:
            report.add(f"transaction {xid} has several lsn or ts")
        if commits is not None and commits.get(xid) != mine[0].position[0]:
            report.add(f"transaction {xid}: commit record at {commits.get(xid)}, records say {mine[0].lsn}")
        if times.get(xid) != mine[0].ts:
            report.add(f"transaction {xid}: committed {times.get(xid)}, records say {mine[0].ts}")
        if xid in audit and audit[xid][0].who:
            session, turn = map(int, audit[xid][0].who.split(":"))
            if turns.get(session, 0) >= turn:
                report.add(f"session {session}: turn {turn} after {turns[session]}")
            turns[session] = turn
    report.finish()

    # Changes, one by one.
    replica = {table: {} for table in KEYS}
    compared = 0
    for xid, mine in transactions.items():
        wanted = audit[xid]
        if [int(record.seq) for record in mine] != list(range(len(mine))):
            report.add(f"transaction {xid}: seq {[record.seq for record in mine][:20]}")
        if len(mine) != len(wanted):
            report.add(f"transaction {xid}: {len(mine)} records, {len(wanted)} changes")
        for record, change in zip(mine, wanted):
            compare(record, change, report)
            apply(replica, change, report)
            compared += 1
        if len(report.wrong) > 50:
            break
    report.finish()
    check_state(db, replica, report)
    if loose_messages is not None:
        got = [record.content for record in loose if record.prefix == "w"]
        if sorted(got) != sorted(loose_messages):
            lost = set(loose_messages) - set(got)
            report.add(f"messages outside transactions: {len(got)} of {len(loose_messages)}, lost {list(lost)[:3]}")
    report.finish()
    return compared


def row(text):
    return collections.OrderedDict(rawjson.members(text)) if text is not None else None


def same(a, b):
    return a == b or rawjson.exact(a) == rawjson.exact(b)


def same_row(got, expected):
    return list(got) == list(expected) and all(same(got[name], expected[name]) for name in got)


def compare(record, change, report):
    if record.op != change.op or (record.table or None) != change.table:
        report.add(f"got {record}\nexpected {change}")
        return
    if change.op == "message":
        if record.content != change.new:
            report.add(f"got {record}\nexpected {change}")
        return
    if change.op == "truncate":
        return
    old, new = row(change.old), row(change.new)
    key, before, after = (record.columns(part) for part in ("key", "before", "after"))
    names = KEYS[change.table]
    wanted_key = {name: (old or new)[name] for name in (old or new) if name in names} if names else None
    if (key is None) != (wanted_key is None) or (key is not None and not same_row(key, wanted_key)):
        report.add(f"key of {record}\nexpected {change}")
    full = change.ident == "f" and old is not None
    if (before is not None) != full or (full and not same_row(before, old)):
        report.add(f"before of {record}\nexpected {change}")
    missing = record.missing or []
    if new is None:
        if after is not None or missing:
            report.add(f"after of {record}\nexpected {change}")
        return
    for name in missing:
        if change.op != "update" or full or change.table != "w_toast" or name not in new or old[name] != new[name]:
            report.add(f"{name} is missing in {record}\nexpected {change}")
    rest = collections.OrderedDict((name, text) for name, text in new.items() if name not in missing)
    if after is None or not same_row(after, rest):
        report.add(f"after of {record}\nexpected {change}")


def apply(replica, change, report):
    """The changes in the order of the records make the tables, step by step."""
    if change.op == "message":
        return
    rows = replica[change.table]
    if change.op == "truncate":
        rows.clear()
        return
    old, new = row(change.old), row(change.new)
    if change.table == "w_nokey":
        rows[len(rows)] = new
        return
    if old is not None:
        there = rows.pop(old["id"], None)
        if there is None or (there["id"], there["v"]) != (old["id"], old["v"]) or (
                change.table != "w_ddl" and there != old):
            report.add(f"out of order: {change}\nfinds {there}")
    if new is not None:
        if new["id"] in rows:
            report.add(f"out of order: {change}\nfinds {rows[new['id']]}")
        rows[new["id"]] = new


def check_state(db, replica, report):
    for table in TABLES:
        for leaf in LEAVES.get(table, [table]):
            there = sorted(text for (text,) in db.execute(f"SELECT row_to_json(t.*)::text FROM ONLY {leaf} t"))
            ours = list(replica[leaf].values())
            if leaf == "w_ddl":
                there = sorted((row(text)["id"], row(text)["v"]) for text in there)
                same_state = there == sorted((item["id"], item["v"]) for item in ours)
            else:
                same_state = [row(text) for text in there] == [row(text) for text in sorted(
                    "{" + ",".join(f"{_quote(name)}:{text}" for name, text in item.items()) + "}" for item in ours)]
            if not same_state:
                report.add(f"{leaf}: {len(there)} rows in the table, {len(ours)} by the records, or other values")


def _quote(name):
    return '"' + name + '"'
