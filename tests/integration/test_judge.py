# SPDX-License-Identifier: Apache-2.0
"""The judges themselves: records made out of the audit pass, and each kind of mistake in them is found."""
import random

import pytest

from leat_harness import rawjson, records, truth, workload


def lsn_text(number):
    return f"{number >> 32:X}/{number & 0xffffffff:X}"


def line_of(change, xid, position, ts, seq):
    fields = [f'"op":"{change.op}"']
    if change.table:
        fields += ['"schema":"public"', f'"table":"{change.table}"']
    fields += [f'"lsn":"{lsn_text(position)}"', f'"xid":{xid}', f'"ts":"{ts}"', f'"seq":{seq}']
    if change.op == "message":
        fields += ['"prefix":"w"', '"transactional":true', f'"content":"{change.new}"']
    elif change.op != "truncate":
        owner = truth.row(change.old or change.new)
        keys = workload.KEYS[change.table]
        if keys:
            fields.append('"key":{' + ",".join(f'"{name}":{owner[name]}' for name in owner if name in keys) + "}")
        if change.ident == "f" and change.old:
            fields.append(f'"before":{change.old}')
        if change.new:
            fields.append(f'"after":{change.new}')
    return "{" + ",".join(fields) + "}"


@pytest.fixture(scope="module")
def history():
    from leat_harness.fixtures import cluster_of
    from leat_harness.versions import DEBIAN
    db = cluster_of(DEBIAN).new_database()
    workload.set_up(db)
    first = db.lsn()
    work = workload.Workload(db, "judge", 4, transactions=60).start()
    work.wait()
    work.finish()
    audit, commits = truth.read_audit(db), truth.commit_positions(db.postgres, first)
    times = truth.commit_times(db, list(audit))
    lines = [[line_of(change, xid, commits[xid], times[xid], seq) for seq, change in enumerate(audit[xid])]
             for xid in sorted(audit, key=commits.get)]
    yield db, first, lines
    db.drop()


def flat(lines):
    return [line for transaction in lines for line in transaction]


def test_a_true_account_passes(history):
    db, first, lines = history
    assert truth.verify(db, flat(lines), first) == len(flat(lines)) > 500


def some(lines, condition):
    return random.Random(5).choice([n for n, line in enumerate(lines) if condition(line)])


def lost(lines):
    del lines[some(lines, lambda line: '"insert"' in line)]


def lost_last(lines):
    del lines[-1]


def doubled(lines):
    n = some(lines, lambda line: '"insert"' in line)
    lines.insert(n, lines[n])


def swapped(lines):
    n = some(lines, lambda line: '"seq":1,' in line)
    lines[n - 1], lines[n] = lines[n], lines[n - 1]


def lost_transaction(lines):
    xid = records.Record(random.Random(6).choice(lines)).xid
    lines[:] = [line for line in lines if f'"xid":{xid},' not in line]


def doubled_transaction(lines):
    xid = records.Record(random.Random(6).choice(lines)).xid
    lines += [line for line in lines if f'"xid":{xid},' in line]


def aborted(lines):
    n = len(lines) // 2
    lines[n] = lines[n].replace('"xid":', '"xid":9')


def other_value(lines):
    n = some(lines, lambda line: '"op":"insert"' in line and '"v":0' in line)
    lines[n] = lines[n].replace('"v":0', '"v":7')


def other_digits(lines):
    n = some(lines, lambda line: '"num":1.50' in line)
    lines[n] = lines[n].replace('"num":1.50', '"num":1.5')


def false_missing(lines):
    n = some(lines, lambda line: '"op":"update"' in line and '"w_plain"' in line)
    lines[n] = lines[n][:-1] + ',"missing":["v"]}'


def lost_before(lines):
    n = some(lines, lambda line: '"op":"delete"' in line and '"w_full"' in line)
    lines[n] = lines[n][:lines[n].index(',"before"')] + "}"


def other_lsn(lines):
    """The positions are shifted a little, all alike: only the WAL itself knows better."""
    for n, line in enumerate(lines):
        record = records.Record(line)
        lines[n] = line.replace(f'"lsn":"{record.lsn}"', f'"lsn":"{lsn_text(record.position[0] + 8)}"')


@pytest.mark.parametrize("mistake", [lost, lost_last, doubled, swapped, lost_transaction, doubled_transaction, aborted,
                                     other_value, other_digits, false_missing, lost_before, other_lsn])
def test_each_mistake_is_found(mistake, history):
    db, first, lines = history
    bad = flat(lines)
    mistake(bad)
    with pytest.raises(AssertionError):
        truth.verify(db, bad, first)


def test_exact_json_tells_apart_what_json_does_not():
    assert rawjson.exact("1.0") != rawjson.exact("1.00")
    assert rawjson.exact('"1"') != rawjson.exact("1")
    assert rawjson.exact('{"a":1,"a":2}') != rawjson.exact('{"a":2}')
    assert rawjson.exact('{"a":1,"b":2}') != rawjson.exact('{"b":2,"a":1}')
    assert rawjson.exact('"\\u0041"') == rawjson.exact('"A"')
    assert rawjson.squeeze('{ "a b" : [ 1 , "\\" x" ] }') == '{"a b":[1,"\\" x"]}'
    with pytest.raises(ValueError):
        rawjson.exact("NaN")
