# SPDX-License-Identifier: Apache-2.0
"""From a real PostgreSQL through the real daemon into real brokers, and read back from them."""
import contextlib
import json
import os
import random
import struct
import time

import pytest

from leat_harness import kafka, nats, places, records, truth, wait, workload
from leat_harness.leat import command, settle, start

NATS = [(which, mode) for mode in nats.Target.MODES for which in nats.VERSIONS if (which, mode) != ("debian", "atomic")]


def names(pairs):
    return [f"{which}-{mode}" for which, mode in pairs]


@pytest.fixture
def bus(nats_target):
    return nats_target


@pytest.fixture
def log(shared_broker):
    """Makes a topic on the broker that the session shares."""
    def make(mode="idempotent", **options):
        return kafka.Target(shared_broker, mode, f"t{random.randrange(1 << 40):x}", **options)
    return make


# ---- the audit ---------------------------------------------------------------------------------------------------


def tell_the_truth(db, leat, target, sessions=4, transactions=120):
    seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
    print(f"LEAT_SEED={seed}")
    workload.set_up(db)
    first = db.lsn()
    daemon = start(leat, db, target)
    work = workload.Workload(db, seed, sessions, transactions=transactions).start()
    work.wait()
    work.finish()
    settle(daemon, db)
    assert daemon.terminate() == 0
    loose = [text for session in work.sessions for text in session.loose_messages]
    compared = truth.verify(db, target.lines(), first, seed, loose)
    print(f"{compared} changes of {work.committed()} transactions compared")
    assert compared > transactions
    return work


@pytest.mark.parametrize("which, mode", NATS, ids=names(NATS))
def test_a_stream_equals_the_audit(which, mode, db, leat, bus):
    target = bus(which, mode)
    tell_the_truth(db, leat, target)
    if mode == "packed":
        assert len(target.messages()) < len(target.lines()), "nothing shares a message"


def test_a_stream_of_an_isolated_sink_equals_the_audit(db, leat, bus):
    tell_the_truth(db, leat, bus(isolate=True))


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_a_topic_equals_the_audit(mode, db, leat, log):
    tell_the_truth(db, leat, log(mode, tombstones=mode == "transactional"))


def test_a_transaction_is_seen_whole_or_not_at_all(db, leat, log):
    """What lies between two markers of Kafka's, which take an offset each, is one transaction of Kafka's."""
    target = log("transactional", partitions=1, transaction={"records": 400})
    db.execute("CREATE TABLE t (id int PRIMARY KEY, big text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(leat, db, target, pipeline={"confirm_interval": "50ms", "batch": {"size": "4KiB"}})
    sizes = [random.choice([1, 3, 30, 100]) for _ in range(150)] + [1500]
    at = 0
    for size in sizes:
        db.execute(f"INSERT INTO t SELECT g, repeat('x', 300) FROM generate_series({at}, {at + size - 1}) g")
        at += size
    settle(daemon, db)
    assert daemon.terminate() == 0
    messages = target.server.messages(target.topic)
    positions = [message.id.rsplit(":", 1)[0] for message in messages]
    assert len(messages) == at + 1
    cut = {positions[n] for n in range(1, len(messages))
           if messages[n].offset != messages[n - 1].offset + 1 and positions[n] == positions[n - 1]}
    large = {position for position in positions if positions.count(position) > 1000}
    assert cut == large, f"{len(cut)} transactions are in several of Kafka's"


# ---- several sinks on one slot -------------------------------------------------------------------------------------


def insert(db, first, last, note="v"):
    db.execute(f"INSERT INTO t SELECT g, '{note}' FROM generate_series({first}, {last}) g")


def ids(lines):
    return [int(record.after["id"]) for record in map(records.Record, lines) if record.op == "insert"]


@pytest.mark.parametrize("dead", ["nats", "kafka"])
def test_a_dead_sink_holds_back_the_confirmation_only(dead, db, leat, bus, log, scratch, things):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    stream, topic = bus(), log(partitions=1)
    archive = {"name": "archive", "plugin": "file", "directory": str(scratch / "archive")}
    victim = stream if dead == "nats" else topic
    daemon = start(leat, db, archive, stream, topic)
    insert(db, 1, 100)
    settle(daemon, db)
    victim.pause()  # Kafka's broker is the session's: it is not killed
    try:
        insert(db, 101, 3000)
        end = db.lsn()
        daemon.wait_line('"id":3000', scratch / "archive")
        if dead == "nats":
            wait.until(lambda: len(topic.lines()) > 3000, "the topic to have all")
        else:
            stream.server.wait_stream(stream.stream, 3001)
        assert not db.caught_up(daemon.slot, end)
        daemon.kill()  # what each has is known at the next start
        daemon.start()
        daemon.wait_streaming(db)
        insert(db, 3001, 3100)
        daemon.wait_line('"id":3100', scratch / "archive")
        assert not db.caught_up(daemon.slot, end)
    finally:
        victim.resume()
    settle(daemon, db)
    assert daemon.terminate() == 0
    for lines in (records.lines(scratch / "archive"), stream.lines(), topic.lines()):
        assert ids(lines) == list(range(1, 3101))


@pytest.mark.root
def test_sinks_that_fail_in_turn_get_each_thing_once(db, leat, bus, log, scratch, things):
    """Whoever is away, the others have everything soon; leat is killed meanwhile, each time."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    stream, topic = bus(mode="sequence"), log("transactional", partitions=1)
    disk = places.SmallDisk(scratch / "disk", 20 << 20)
    things.append(disk)
    archive = {"name": "archive", "plugin": "file", "directory": str(disk.path / "archive"), "retry_max": "500ms"}
    daemon = start(leat, db, archive, stream, topic)
    insert(db, 1, 100)
    settle(daemon, db)
    in_archive = lambda last: any(f'"id":{last},' in line for line in records.lines(disk.path / "archive"))  # noqa: E731
    in_topic = lambda last: any(f'"id":{last},' in (m.data or "") for m in topic.server.messages(topic.topic))  # noqa: E731
    last = 100
    for away, back, others in ((disk.fill, disk.drain, [in_topic]), (stream.kill, stream.start, [in_archive, in_topic]),
                               (stream.pause, stream.resume, [in_archive, in_topic]), (topic.pause, topic.resume, [in_archive])):
        away()
        try:
            for restart in (False, True):
                if restart:
                    daemon.kill()
                    daemon.start()
                    daemon.wait_streaming(db)
                insert(db, last + 1, last + 700)
                last, end = last + 700, db.lsn()
                for has in others:
                    wait.until(lambda: has(last), lambda: f"row {last} in the others\n{daemon.stderr_tail()}", pause=0.1)  # noqa: B023
                assert not db.caught_up(daemon.slot, end), f"confirmed after {away}"
        finally:
            back()
        settle(daemon, db)
    assert daemon.terminate() == 0
    for lines in (records.lines(disk.path / "archive"), stream.lines(), topic.lines()):
        assert ids(lines) == list(range(1, last + 1))


# ---- routes, formats, records that are refused ---------------------------------------------------------------------


def test_an_order_that_moves_from_paid_to_shipped_has_a_subject_of_its_own(db, leat, bus):
    db.execute("CREATE TABLE orders (id int PRIMARY KEY, status text, note text); ALTER TABLE orders REPLICA IDENTITY FULL;"
               "CREATE PUBLICATION leat FOR TABLE orders")
    stream = bus(create={"subjects": ["cdc.>", "orders.>"]}, routes=[
        {"match": "public.orders", "op": "update", "changed": ["status"], "route": "orders.{key.id}.moved"},
        {"match": "public.orders", "op": "delete", "route": "orders.{key.id}.gone"}])
    daemon = start(leat, db, stream)
    for sql in ("INSERT INTO orders VALUES (7, 'paid', 'a')", "UPDATE orders SET note = 'b' WHERE id = 7",
                "UPDATE orders SET status = 'shipped' WHERE id = 7", "UPDATE orders SET status = status WHERE id = 7",
                "DELETE FROM orders WHERE id = 7"):
        db.execute(sql)
    settle(daemon, db)
    assert daemon.terminate() == 0
    found = [(message.subject, records.Record(message.data.decode())) for message in stream.messages()]
    assert [subject for subject, _ in found][:5] == ["cdc.public.orders.insert", "cdc.public.orders.update", "orders.7.moved",
                                                     "cdc.public.orders.update", "orders.7.gone"]
    moved = found[2][1]
    assert (moved.before["status"], moved.after["status"]) == ("paid", "shipped")


def test_msgpack_says_the_same_as_json(db, leat, bus, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text, n numeric, f float8, b bytea, ok bool, list int[]);"
               "CREATE PUBLICATION leat FOR TABLE t")
    stream = bus(format="msgpack")
    archive = {"name": "archive", "plugin": "file", "directory": str(scratch / "archive")}
    daemon = start(leat, db, archive, stream)
    db.execute("INSERT INTO t VALUES (1, 'é', 1.50, 2.5, '\\x00ff', true, '{1,2,NULL}'), (-70000, NULL, 'NaN', -1e300, NULL, "
               "false, NULL); UPDATE t SET v = 'w' WHERE id = 1; DELETE FROM t WHERE id = 1")
    settle(daemon, db)
    assert daemon.terminate() == 0
    wanted = [json.loads(line) for line in records.lines(scratch / "archive")]
    for record in wanted:
        for part in ("key", "before", "after"):
            row = record.get(part, {})
            if row.get("n") is not None:
                row["n"] = str(row["n"]) if row["n"] == "NaN" else "1.50"
            if row.get("b") is not None:
                row["b"] = bytes.fromhex(row["b"][2:])
    assert [unpack(message.data) for message in stream.messages()] == wanted


def test_packed_msgpack_is_one_object_behind_the_other(db, leat, bus):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    stream = bus(mode="packed", format="msgpack", pack={"records": 50, "max_delay": "20ms"})
    daemon = start(leat, db, stream)
    db.execute("INSERT INTO t SELECT generate_series(1, 320)")
    settle(daemon, db)
    assert daemon.terminate() == 0
    rows, sizes = [], []
    for message in stream.messages():
        rest, count = memoryview(message.data), 0
        while rest:
            record, rest = unpack_next(rest)
            if record["op"] == "insert":
                rows.append(record)
            count += 1
        assert count == int(message.headers.get("leat-count", 1))
        sizes.append(count)
    assert [record["after"]["id"] for record in rows] == list(range(1, 321))
    assert [record["seq"] for record in rows] == list(range(320))
    assert max(sizes) == 50


@pytest.mark.parametrize("which", nats.VERSIONS)
def test_a_cluster_that_loses_its_leader_loses_and_doubles_nothing(which, db, leat, own):
    """The daemon runs on; ids are forgotten long before the new leader is there."""
    cluster = own(nats.Cluster, which)
    cluster.create_stream("LEAT", ["cdc.>"], duplicate_window=100 * 10 ** 6)
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    sink = {"name": "bus", "plugin": "nats", "url": [server.url for server in cluster.servers], "stream": "LEAT",
            "route": "cdc.{table}", "ack_timeout": "2s", "retry_max": "500ms"}
    daemon = start(leat, db, sink)
    leader = cluster.leader("LEAT")
    db.execute("INSERT INTO t SELECT generate_series(1, 20000)")
    next(server for server in cluster.servers if server is not leader).wait_stream("LEAT", 1000)
    leader.kill()
    db.execute("INSERT INTO t SELECT generate_series(20001, 22000)")
    settle(daemon, db, 120)
    assert daemon.terminate() == 0
    # Of the leader, who acknowledged: replicas of the old server can differ from it after an election (docs/adr/0102).
    with contextlib.closing(cluster.leader("LEAT").client(timeout=30)) as client:
        found = client.read_leader("LEAT")
    seen = ids(message.data for message in found)
    at = next((i for i, (a, b) in enumerate(zip(seen, range(1, 22001))) if a != b), None)
    assert len(seen) == 22000 and at is None, (
        len(seen), sorted(set(range(1, 22001)) - set(seen))[:9], [i for i in range(1, len(seen)) if seen[i] <= seen[i - 1]][:9],
        [(m.sequence, m.subject, m.headers, m.data[-40:]) for m in found[(at or 1) - 1:(at or 1) + 3]])


def test_a_server_that_stands_still_costs_nothing(db, leat, bus):
    """3 seconds; 30 with LEAT_LONG=1, as a named longer test."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    stream = bus(ack_timeout="1s", create={"subjects": ["cdc.>"], "duplicate_window": "100ms"})
    daemon = start(leat, db, stream)
    db.execute("INSERT INTO t SELECT generate_series(1, 3000)")
    stream.server.wait_stream("LEAT", 100)
    stream.pause()
    db.execute("INSERT INTO t SELECT generate_series(3001, 6000)")
    ends = time.monotonic() + (30 if os.environ.get("LEAT_LONG") else 3)
    wait.until(lambda: daemon.must_run() or time.monotonic() > ends, "the time to pass", 60)
    stream.resume()
    settle(daemon, db, 90)
    assert daemon.terminate() == 0
    assert ids(stream.lines()) == list(range(1, 6001))


def ids(lines):
    """Of the inserts among them."""
    return [record["after"]["id"] for record in map(json.loads, lines) if record["op"] == "insert"]


def unpack(data):
    """One MessagePack object that fills `data`: written from the specification."""
    value, rest = unpack_next(memoryview(data))
    assert not rest
    return value


def unpack_next(data):
    kind, data = data[0], data[1:]
    def number(format_, size):
        return struct.unpack(">" + format_, data[:size])[0], data[size:]
    def sized(size, rest, convert):
        return convert(bytes(rest[:size])), rest[size:]
    def many(count, rest):
        out = []
        for _ in range(count):
            item, rest = unpack_next(rest)
            out.append(item)
        return out, rest
    def table(count, rest):
        flat, rest = many(2 * count, rest)
        assert len(set(flat[::2])) == count
        return dict(zip(flat[::2], flat[1::2])), rest
    if kind < 0x80:
        return kind, data
    if kind >= 0xe0:
        return kind - 256, data
    if kind < 0x90:
        return table(kind & 15, data)
    if kind < 0xa0:
        return many(kind & 15, data)
    if kind < 0xc0:
        return sized(kind & 31, data, bytes.decode)
    if kind in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[kind], data
    plain = {0xca: "f", 0xcb: "d", 0xcc: "B", 0xcd: "H", 0xce: "I", 0xcf: "Q", 0xd0: "b", 0xd1: "h", 0xd2: "i", 0xd3: "q"}
    if kind in plain:
        return number(plain[kind], struct.calcsize(plain[kind]))
    lengths = {0xc4: "B", 0xc5: "H", 0xc6: "I", 0xd9: "B", 0xda: "H", 0xdb: "I", 0xdc: "H", 0xdd: "I", 0xde: "H", 0xdf: "I"}
    length, rest = number(lengths[kind], struct.calcsize(lengths[kind]))
    if kind < 0xc7:
        return sized(length, rest, bytes)
    if kind < 0xdc:
        return sized(length, rest, bytes.decode)
    return many(length, rest) if kind < 0xde else table(length, rest)


@pytest.mark.parametrize("kind", ["nats", "kafka-idempotent", "kafka-transactional"])
def test_a_record_that_is_too_large_goes_to_the_dead_letters(kind, db, leat, bus, log, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    letters = {"on_reject": "dead_letter", "dead_letter": str(scratch / "dead")}
    target = bus(**letters) if kind == "nats" else log(kind.split("-")[1], partitions=1, **letters)
    daemon = start(leat, db, target)
    insert(db, 1, 50)
    db.execute("INSERT INTO t VALUES (51, repeat('x', 1500000))")  # a server takes 1 MiB
    insert(db, 52, 99)
    settle(daemon, db)
    assert daemon.terminate() == 0
    assert ids(target.lines()) == [*range(1, 51), *range(52, 100)]
    (letter,) = [json.loads(line) for path in (scratch / "dead").iterdir() for line in path.read_text().splitlines()]
    assert '"id":51' in json.dumps(letter, separators=(",", ":")) and "reason" in letter, list(letter)


# ---- check -----------------------------------------------------------------------------------------------------------


def check(leat, db, sink):
    """(exit status, what is said): of the sink alone where nothing else is wrong."""
    daemon = leat(db.dsn(), sinks=[sink])
    done = command("check", "-c", daemon.config)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def ready(db):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return db


def test_check_of_a_stream(ready, leat, bus):
    stream = bus()
    with contextlib.closing(stream.server.client()) as client:
        client.create_stream("LEAT", ["cdc.>"], duplicate_window=600 * 10 ** 9)
    good = {key: value for key, value in stream.sink().items() if not key.startswith("create")}
    status, said = check(leat, ready, good)
    assert status == 0, said
    status, said = check(leat, ready, {**good, "stream": "NOBODY"})
    assert status == 78 and "stream NOBODY" in said and "fix:" in said, said
    stream.kill()
    status, said = check(leat, ready, good)
    assert status == 69, said


def test_check_names_a_wrong_password_of_nats(ready, leat, own):
    server = own(nats.Server, config='authorization { user: leat, password: secret }')
    server.login = {"user": "leat", "pass": "secret"}
    with contextlib.closing(server.wait_ready().client()) as client:
        client.create_stream("LEAT", ["cdc.>"], duplicate_window=600 * 10 ** 9)
    sink = {"name": "bus", "plugin": "nats", "url": server.url, "stream": "LEAT", "route": "cdc.{table}", "user": "leat"}
    status, said = check(leat, ready, {**sink, "password": "secret"})
    assert status == 0, said
    status, said = check(leat, ready, {**sink, "password": "guess"})
    assert status == 77 and "guess" not in said, said


def test_check_of_a_topic(ready, leat, log, shared_broker):
    topic = log()
    fixed = {**topic.sink(), "create_topics": False}
    status, said = check(leat, ready, fixed)
    assert status == 78 and f"topic {topic.topic} does not exist" in said and "kafka-topics.sh" in said, said
    assert topic.topic not in shared_broker.topics()
    status, said = check(leat, ready, topic.sink())
    assert status == 0 and "will be created" in said, said
    daemon = start(leat, ready, topic)
    insert(ready, 1, 2)
    settle(daemon, ready)
    assert daemon.terminate() == 0
    status, said = check(leat, ready, fixed)
    assert status == 0 and f"topic {topic.topic}: 3 partitions" in said, said
    status, said = check(leat, ready, {**fixed, "brokers": f"127.0.0.1:{places.free_port()}"})
    assert status == 69, said
