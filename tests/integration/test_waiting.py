# SPDX-License-Identifier: Apache-2.0
"""The making of a slot, which PostgreSQL answers when the transactions that run then have ended, or never: what is waited
for is said, a dead server is told from a slow one, and nobody's wait leaves a slot behind."""
import re
import signal
import subprocess
import time

import pytest

from leat_harness import endpoint, places, versions, wait
from leat_harness.leat import command
from leat_harness.liar import Liar
from leat_harness.proxy import Cable

SOON = 25  # seconds: far less than what is waited for, far more than what a slow machine needs


class Transaction:
    """One that has written, and goes on."""

    def __init__(self, db):
        self.connection = db.connect(autocommit=False)
        self.pid = self.connection.info.backend_pid
        with self.connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (0)")

    def end(self):
        self.connection.rollback()

    def close(self):
        self.connection.close()


@pytest.fixture
def running(things):
    """Makes a table, its publication, and a transaction that runs."""
    def make(db):
        db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
        things.append(Transaction(db))
        return things[-1]
    return make


def makers(db):
    """Who makes a slot."""
    return [row[0] for row in db.execute("SELECT active_pid FROM pg_replication_slots WHERE database = current_database() "
                                         "AND active AND confirmed_flush_lsn IS NULL")]


def slots(db):
    return [row[0] for row in db.execute("SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()")]


def goes_on(daemon, db):
    """It streams, all that is committed from now on arrives, and there is one slot."""
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    assert [record.key["id"] for record in daemon.fence(db)] == ["1"]
    assert slots(db) == ["leat"]
    assert daemon.terminate() == 0


def test_what_a_slot_waits_for_is_said(db, leat, running):
    transaction = running(db)
    daemon = leat(db.dsn()).start()
    daemon.wait_log(rf"waiting for the slot to be made.*now it waits for that of PID {transaction.pid}\b")
    assert "streaming" not in daemon.stderr()
    transaction.end()
    goes_on(daemon, db)


def test_how_long_it_runs_is_said_where_the_role_may_see_it(db, leat, running):
    transaction = running(db)
    daemon = leat(db.dsn("postgres")).start()
    daemon.wait_log(rf"PID {transaction.pid}, begun 20\d\d-\d\d-\d\d [\d:]+ UTC.*transaction_s")
    transaction.end()
    goes_on(daemon, db)


def test_a_prepared_transaction_is_named(db, leat, running):
    transaction = running(db)
    with transaction.connection.cursor() as cursor:
        cursor.execute("PREPARE TRANSACTION 'of nobody'")
    daemon = leat(db.dsn()).start()
    try:
        daemon.wait_log(r"waiting for the slot.*a prepared transaction, begun 20\d\d")
    finally:
        db.execute("ROLLBACK PREPARED 'of nobody'")
    goes_on(daemon, db)


@pytest.mark.parametrize("major", [versions.DEBIAN, *versions.OTHERS])
def test_who_is_told_to_stop_takes_the_waiting_server_along(own_cluster, leat, running, major):
    """Else it would make a slot that nobody reads from, and keep WAL for it."""
    db = own_cluster(major).new_database()
    transaction = running(db)
    daemon = leat(db.dsn()).start()
    wait.until(lambda: makers(db), "the server to make the slot")
    began = time.monotonic()
    assert daemon.terminate(SOON) == 0 and time.monotonic() - began < SOON
    wait.until(lambda: not makers(db), "the server to make none")
    transaction.end()
    assert slots(db) == []


def test_a_server_that_stands_still_is_given_up_and_found_again(own_cluster, leat, running):
    pg = own_cluster()
    db = pg.new_database()
    transaction = running(db)
    daemon = leat(db.dsn(), source={"liveness_timeout": "5s", "connect_timeout": "2s"}).start()
    daemon.wait_log(f"that of PID {transaction.pid}")
    pg.freeze()
    daemon.wait_log("waiting for the slot to be made.*the server was asked to make the slot, and does not answer")
    daemon.wait_log("cannot begin.*does not answer: given up after")
    daemon.wait_log("no answer within connect_timeout")
    pg.thaw()
    mark = len(daemon.stderr())
    daemon.wait_log("creating the slot, once", since=mark)
    transaction.end()
    goes_on(daemon, db)


def test_a_server_that_stands_still_does_not_keep_from_stopping(own_cluster, leat, running):
    pg = own_cluster()
    db = pg.new_database()
    transaction = running(db)
    daemon = leat(db.dsn()).start()
    wait.until(lambda: makers(db), "the server to make the slot")
    pg.freeze()
    assert daemon.terminate(SOON) == 0
    pg.thaw()
    wait.until(lambda: not makers(db), "the server to make none")
    transaction.end()
    assert slots(db) == []


@pytest.fixture
def cabled(own_cluster, leat, things, running):
    """A daemon whose connections go through a cable, and which waits for its slot."""
    pg = own_cluster(tcp=True)
    db = pg.new_database()
    transaction = running(db)
    cable = Cable(pg.port)
    things.append(cable)
    daemon = leat(f"host=127.0.0.1 port={cable.port} dbname={db.name} user=leat sslmode=disable gssencmode=disable",
                  source={"liveness_timeout": "5s", "connect_timeout": "2s", "reconnect_max": "1s"}).start()
    daemon.wait_log(f"that of PID {transaction.pid}")
    return db, transaction, cable, daemon


def test_a_slot_whose_making_was_not_heard_of_is_taken(cabled):
    """The answer is swallowed: the slot of the first try is there, and no second one is made."""
    db, transaction, cable, daemon = cabled
    cable.freeze()
    transaction.end()
    daemon.wait_log("cannot begin.*nothing is heard of the connection that makes the slot: given up")
    assert "does not exist any more" not in daemon.stderr()
    goes_on(daemon, db)
    assert daemon.stderr().count("slot created") == 0


def test_a_connection_that_is_silent_while_the_server_still_works_is_waited_for(cabled):
    """Nobody can tell it from one that has nothing to say, and nothing is lost by waiting."""
    db, transaction, cable, daemon = cabled
    first = makers(db)
    cable.freeze()
    mark = len(daemon.stderr())
    daemon.wait_log(f"waiting for the slot to be made.*{transaction.pid}", since=mark)
    assert makers(db) == first and "given up" not in daemon.stderr()
    assert daemon.terminate(SOON) == 0


def test_a_wire_that_swallows_everything_is_given_up_and_the_first_try_is_no_loss(cabled):
    """The server does not know that nobody listens, and goes on with the first try.  That it ends without a slot is no gap."""
    db, transaction, cable, daemon = cabled
    first = makers(db)
    cable.pull()
    daemon.wait_log("cannot begin.*does not answer: given up after")
    cable.mend()
    daemon.wait_log("the slot is being made already, waiting for it")
    assert makers(db) == first
    db.execute("SELECT pg_terminate_backend(%s)", (first[0],))
    wait.until(lambda: makers(db) not in ([], first), lambda: f"another try\n{daemon.stderr_tail()}")
    transaction.end()
    goes_on(daemon, db)


def test_the_first_try_of_a_connection_that_was_lost_may_make_the_slot(cabled):
    db, transaction, cable, daemon = cabled
    cable.pull()
    daemon.wait_log("cannot begin.*does not answer: given up after")
    cable.mend()
    daemon.wait_log("the slot is being made already, waiting for it")
    transaction.end()
    goes_on(daemon, db)


def test_the_status_says_what_is_waited_for(db, leat, running, scratch):
    transaction = running(db)
    socket = scratch / "a.sock"
    daemon = leat(db.dsn(), top={"http": {"listen": f"unix:{socket}"}}).start()
    needle = f"now it waits for that of PID {transaction.pid}"
    wait.until(lambda: socket.exists() and needle in endpoint.get(socket, "/status")[1], lambda: daemon.stderr_tail())
    assert endpoint.get(socket, "/readyz")[0] != 200
    transaction.end()
    goes_on(daemon, db)


def test_a_slot_that_somebody_was_quicker_to_make_is_looked_at_again(db, leat, things):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    liar = Liar(db)
    things.append(liar)
    quicker = ["SELECT pg_create_logical_replication_slot('leat', 'pgoutput')"]
    liar.lies[b"CREATE_REPLICATION_SLOT"] = lambda: quicker and db.execute(quicker.pop())
    daemon = leat(liar.dsn + " user=leat").start()
    daemon.wait_log("streaming")
    assert not quicker and "cannot" not in daemon.stderr()
    goes_on(daemon, db)


def create(daemon):
    """leat slot create, which goes on."""
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", str(places.BUILD / "leat"), "slot", "create", "-c",
                             str(daemon.config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


def read_until(stream, needle):
    lines = [stream.readline()]
    while needle not in lines[-1]:
        assert lines[-1].startswith("leat: waiting: "), lines
        lines.append(stream.readline())


def test_the_command_says_what_it_waits_for(db, leat, running):
    transaction = running(db)
    daemon = leat(db.dsn())
    process = create(daemon)
    read_until(process.stderr, f"that of PID {transaction.pid}")
    transaction.end()
    out, said = process.communicate(timeout=60)
    assert process.returncode == 0 and out.startswith("created slot leat"), (out, said)
    assert command("slot", "create", "-c", daemon.config).returncode == 73


def test_the_command_leaves_nothing_behind_when_it_is_interrupted(db, leat, running):
    transaction = running(db)
    process = create(leat(db.dsn()))
    read_until(process.stderr, f"that of PID {transaction.pid}")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SOON)
    wait.until(lambda: not makers(db), "the server to make none")
    transaction.end()
    assert slots(db) == []


def test_the_command_gives_a_silent_server_up(own_cluster, leat, running):
    pg = own_cluster()
    db = pg.new_database()
    transaction = running(db)
    process = create(leat(db.dsn(), source={"liveness_timeout": "5s"}))
    read_until(process.stderr, f"that of PID {transaction.pid}")
    pg.freeze()
    out, said = process.communicate(timeout=60)
    assert process.returncode == 69 and not out and re.search("does not answer: given up after .*try again", said), said
    pg.thaw()
    wait.until(lambda: not makers(db), "the server to make none")
