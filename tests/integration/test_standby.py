# SPDX-License-Identifier: Apache-2.0
"""A second daemon with the same configuration: it waits, and takes over with neither loss nor duplicate, whatever its own
state file says."""
import contextlib
import random
import re
import time

import pytest

from leat_harness import endpoint, kafka, places, records, wait

KINDS = ["file", "nats", "kafka-idempotent", "kafka-transactional"]


class Shared:
    """One sink for all daemons of a test, read back as lines."""

    def __init__(self, kind, scratch, nats_target, request):
        self.folder = scratch / "out"
        self.target = None
        if kind == "nats":
            self.target = nats_target("current")
        elif kind.startswith("kafka"):
            self.target = kafka.Target(request.getfixturevalue("shared_broker"), kind.split("-")[1], f"t{random.randrange(1 << 40):x}")

    def sink(self):
        if self.target:
            return self.target.sink()
        return {"name": "archive", "plugin": "file", "directory": str(self.folder)}

    def ids(self):
        lines = self.target.lines() if self.target else records.lines(self.folder)
        return [int(record.after["id"]) for record in map(records.Record, lines) if record.op == "insert"]


@pytest.fixture
def shared(request, scratch, nats_target):
    return Shared(request.param, scratch, nats_target, request)


@pytest.fixture
def pair(db, leat, shared):
    """Makes daemons that differ in their state directories alone."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")

    def make():
        daemon = leat(db.dsn(), sinks=[shared.sink()], pipeline={"confirm_interval": "50ms"})
        daemon.socket = daemon.folder / "a.sock"
        daemon.tree["http"] = {"listen": f"unix:{daemon.socket}"}
        daemon.write_config()
        return daemon
    return make


class Writer:
    """Commits while daemons come and go."""

    def __init__(self, db):
        self.connection, self.last = db.connect(), 0

    def write(self, count):
        with self.connection.cursor() as cursor:
            for _ in range(count):
                self.last += 1
                cursor.execute("INSERT INTO t VALUES (%s, repeat('x', 100))", (self.last,))

    def close(self):
        self.connection.close()


def confirmed(db, *daemons):
    end = db.lsn()
    def there():
        for daemon in daemons:
            daemon.must_run()
        return db.caught_up("leat", end)
    wait.until(there, lambda: "all to be confirmed\n" + "\n".join(d.stderr_tail(15) for d in daemons))


def stand_by(daemon):
    size = len(daemon.stderr())
    daemon.start()
    daemon.wait_log("waiting for it as the standby", since=size)
    return daemon


def take_over(db, dead, heir):
    """Seconds from the kill of one to the stream of the other."""
    since = len(heir.stderr())
    begun = time.monotonic()
    dead.kill()
    heir.wait_log(r"msg=streaming|\bstreaming\b", since=since)
    return time.monotonic() - begun


@pytest.mark.parametrize("shared", KINDS, indirect=True)
def test_a_standby_takes_over_again_and_again(db, pair, shared):
    """First without a state file, then with its own old one, each time under load and by kill -9."""
    first, second = pair(), pair()
    writer = Writer(db)
    first.start()
    first.wait_streaming(db)
    writer.write(200)
    stand_by(second)
    assert endpoint.get(second.socket, "/livez")[0] == 200
    ready, why = endpoint.get(second.socket, "/readyz")
    assert ready == 503 and "a daemon of this configuration" in why, why
    assert endpoint.status(second.socket)["pipelines"][0]["source"]["state"] == "waiting"
    active, idle = first, second
    times = []
    for _ in range(4):
        writer.write(150)
        times.append(take_over(db, active, idle))
        writer.write(150)
        confirmed(db, idle)
        stand_by(active)  # with a state of its own that is behind by now
        writer.write(50)
        active, idle = idle, active
    confirmed(db, active)
    assert idle.stderr().count("waiting for it as the standby") <= 3
    assert active.terminate() == 0
    idle.kill()
    got = shared.ids()
    assert sorted(got) == list(range(1, writer.last + 1)), f"{len(got)} of {writer.last}, {len(set(got))} different"
    print(f"taken over after {', '.join(f'{seconds:.2f}' for seconds in times)} s")
    assert sorted(times)[1] < 3 or places.SANITIZED  # a machine that stood still meanwhile proves nothing
    writer.close()


@pytest.mark.parametrize("shared, proven", [("file", True), ("file", False), ("nats", False), ("kafka-transactional", False)],
                         indirect=["shared"])
def test_an_old_state_file_is_believed_when_the_sinks_prove_it(db, pair, shared, proven):
    """No standby was there to see it: the other daemon ran, and died, while this one was away."""
    first, second = pair(), pair()
    writer = Writer(db)
    first.start()
    first.wait_streaming(db)
    writer.write(100)
    confirmed(db, first)
    first.kill()
    second.tree["pipelines"][0]["confirm_interval"] = "3s"
    second.write_config()
    second.start()
    second.wait_streaming(db)
    writer.write(100)
    confirmed(db, second)
    if proven:  # it holds more than it had time to confirm
        writer.write(100)
        wait.until(lambda: len(shared.ids()) == 300, "the records")
    second.kill()
    first.start()
    if proven:
        first.wait_log("have to show that they hold")
    else:
        # All was confirmed, so nothing in the sinks lies behind it: never a guess.
        assert first.wait_exit() == 65, first.stderr_tail()
        position = re.search(r"accept_gap: ([0-9A-F]+/[0-9A-F]+)", first.last_line()).group(1)
        first.tree["pipelines"][0]["source"]["accept_gap"] = position
        first.write_config()
        first.start()
    writer.write(100)
    confirmed(db, first)
    assert sorted(shared.ids()) == list(range(1, writer.last + 1))
    assert first.terminate() == 0
    writer.close()


@pytest.mark.parametrize("shared", ["file"], indirect=True)
def test_a_slot_dropped_under_a_standby_is_never_made_again(db, pair, shared):
    first, second = pair(), pair()
    first.start()
    first.wait_streaming(db)
    stand_by(second)
    first.kill()
    second.wait_streaming(db)
    # Both are gone, and so is the slot: the one without it ends, whoever it is.
    def dropped():
        with contextlib.suppress(Exception):
            db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'leat' AND active")
            db.execute("SELECT pg_drop_replication_slot('leat')")
        return db.slot("leat") is None
    wait.until(dropped, "the slot to be dropped")
    assert second.wait_exit() == 65, second.stderr_tail()
    assert db.slot("leat") is None


def test_a_gap_that_is_accepted_is_passed(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    daemon.fence(db)
    assert daemon.terminate() == 0
    db.execute("INSERT INTO t VALUES (2, 'in the gap')")
    position = db.scalar("SELECT end_lsn FROM pg_replication_slot_advance('leat', pg_current_wal_lsn())")
    for accepted, status in ((None, 65), ("0/1", 65), (position, None)):
        if accepted:
            daemon.tree["pipelines"][0]["source"]["accept_gap"] = accepted
            daemon.write_config()
        daemon.start()
        if status:
            assert daemon.wait_exit() == status, daemon.stderr_tail()
            assert f"accept_gap: {position}" in daemon.last_line()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (3, 'y')")
    assert [record.key["id"] for record in daemon.fence(db)] == ["1", "3"]
    assert daemon.terminate() == 0
    # It may stay in the configuration: it says nothing of another place.
    daemon.start()
    daemon.wait_streaming(db)
    assert daemon.terminate() == 0


def test_a_daemon_that_lost_the_slot_to_another_lets_go_of_its_sink(own_cluster, leat, things, scratch):
    """Its connection goes silent; the server gives the slot to the standby, which needs the directory too."""
    from test_connections import Cable
    pg = own_cluster(tcp=True)
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    proxy = Cable(pg.port)
    things.append(proxy)
    sinks = [{"name": "archive", "plugin": "file", "directory": str(scratch / "out"), "retry_max": "500ms"}]
    fast = {"status_interval": "500ms", "liveness_timeout": "20s"}
    first = leat(f"host=127.0.0.1 port={proxy.port} dbname={db.name} user=leat", sinks=sinks,
                 source={**fast, "liveness_timeout": "3s"}, pipeline={"confirm_interval": "50ms"}).start()
    first.wait_streaming(db)
    second = leat(f"host=127.0.0.1 port={pg.port} dbname={db.name} user=leat", sinks=sinks, source=fast,
                  pipeline={"confirm_interval": "50ms"})
    writer = Writer(db)
    writer.write(50)
    stand_by(second)
    proxy.freeze()
    pg.execute("ALTER SYSTEM SET wal_sender_timeout = '2s'")  # not before: a machine that stands still is silent, too
    pg.execute("SELECT pg_reload_conf()")
    second.wait_log("taking over|streaming")
    writer.write(50)
    confirmed(db, first, second)
    first.wait_log("taken over|as the standby")
    assert second.terminate() == 0
    writer.write(50)
    wait.until(lambda: db.caught_up("leat", db.lsn()), lambda: f"the first one to be back\n{first.stderr_tail()}")
    got = [int(record.after["id"]) for record in map(records.Record, records.lines(scratch / "out"))]
    assert got == list(range(1, 151))
    assert first.terminate() == 0
    writer.close()
