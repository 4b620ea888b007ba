# SPDX-License-Identifier: Apache-2.0
"""Senders that are thought dead and are not: bytes that a broken wire delivers late, a daemon that stood still while another
took over.  Ids are forgotten after 100 ms here, and everything that comes late comes later than that."""
import functools
import signal
import time

import pytest

from leat_harness import kafka, nats, rows, wait
from leat_harness.leat import settle, start
from leat_harness.rows import ids
from leat_harness.wire import Wire

insert = functools.partial(rows.insert, value="repeat('v', 200)")
WINDOW = {"subjects": ["cdc.>"], "duplicate_window": "100ms"}
IMPATIENT = 'ping_interval: "1s"\nping_max: 1'


@pytest.fixture
def stream(nats_target):
    def make(which, mode, config="", **options):
        return nats_target(which, mode, config=config, create=WINDOW, **options)
    return make


def let_pass(seconds):
    until = time.monotonic() + seconds
    wait.until(lambda: time.monotonic() > until, "the time to pass")


# ---- bytes that come late ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", nats.VERSIONS)
@pytest.mark.parametrize("mode, fence, config", [
    ("msg_id", "40s", ""),         # the new connection waits until the wire has delivered, or broken
    ("msg_id", "40s", IMPATIENT),  # the server gives the old connection up first
    ("packed", "40s", ""),
    ("sequence", "0s", ""),        # nobody waits: the server refuses what comes late
], ids=["msg_id", "msg_id-given-up", "packed", "sequence"])
def test_bytes_of_a_dead_daemon_that_arrive_late_double_nothing(which, mode, fence, config, table, leat, stream, things):
    target = stream(which, mode, config, fence_timeout=fence)
    wire = Wire(target.server.port)
    things.append(wire)
    target.options["url"] = f"nats://127.0.0.1:{wire.port}"
    daemon = start(leat, table, target)
    insert(table, 1, 500)
    settle(daemon, table)
    wire.hold()
    insert(table, 501, 3000)
    wait.until(lambda: wire.held() > 50000, "something on the wire")
    daemon.kill()
    said = len(daemon.stderr())
    daemon.start()
    daemon.wait_streaming(table)
    if fence == "0s":
        settle(daemon, table)
    elif config:
        daemon.wait_log("connected", since=said)
    let_pass(1)  # ten times the window
    wire.let_go()
    insert(table, 3001, 3100)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 3101))


# ---- a daemon that stood still ----------------------------------------------------------------------------------------


@pytest.fixture
def impatient(own_cluster):
    """A PostgreSQL that can be told to give the slot of a silent one to another soon."""
    db = own_cluster().new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return db


def patience(db, text):
    """With little of it from the start, a machine that stands still would take the slot from one who is well."""
    db.execute(f"ALTER SYSTEM SET wal_sender_timeout = '{text}'")
    db.execute("SELECT pg_reload_conf()")


def stand_still(db, leat, target):
    """A daemon stops with its memory full of what it was about to send, another one takes over and sends it, and the first
    one goes on: to it, no time has passed."""
    first = start(leat, db, target)
    second = leat(db.dsn(), sinks=[target.sink()], pipeline={"confirm_interval": "50ms"})
    insert(db, 1, 500)
    settle(first, db)
    second.start()
    second.wait_log("waiting for it as the standby")
    target.pause()
    insert(db, 501, 20000)
    end = db.lsn()
    wait.until(lambda: db.scalar("SELECT sent_lsn >= %s::pg_lsn FROM pg_stat_replication", (end,)), "all of it to be in memory")
    wait.freeze(first.process.pid)
    patience(db, "2s")
    target.resume()
    second.wait_streaming(db)
    wait.until(lambda: db.slot_active("leat") and "streaming" in second.stderr(), "the other one to take over")
    settle(second, db)
    patience(db, "60s")
    first.signal(signal.SIGCONT)
    insert(db, 20001, 20100)
    first.wait_log("waiting for it as the standby")  # until it has seen who has the slot it could not be the heir
    settle(second, db)
    assert second.terminate() == 0
    db.execute("INSERT INTO t VALUES (20101, 'x')")
    settle(first, db)  # and the first one is the heir of the second
    assert first.terminate() == 0
    assert ids(target) == list(range(1, 20102))


@pytest.mark.parametrize("which", nats.VERSIONS)
@pytest.mark.parametrize("mode", ["msg_id", "sequence"])
def test_a_daemon_that_stood_still_sends_nothing_of_what_another_sent(which, mode, impatient, leat, stream):
    target = stream(which, mode, fence_timeout="2s", ack_timeout="1s")
    stand_still(impatient, leat, target)


def test_a_daemon_that_stood_still_is_shut_out_by_kafka(impatient, leat, shared_broker):
    target = kafka.Target(shared_broker, "transactional", "zombies", partitions=1, transaction={"records": 500})
    stand_still(impatient, leat, target)
