# SPDX-License-Identifier: Apache-2.0
"""Failover slots of PostgreSQL 17 and 18: promotion under load with two real servers, and every promotion that must not be
trusted."""
import contextlib
import re
import shutil
import threading
import time

import psycopg2
import pytest

from leat_harness import places, wait
from leat_harness.leat import command
from leat_harness.postgres import Postgres

MAJORS = ["17", "18"]


class Standby(Postgres):
    """A copy of a primary that was stopped for it, which follows it and keeps copies of its failover slots."""

    def __init__(self, primary, database, synchronise=True):  # noqa: B042  not the base's: there is no initdb here
        self.major, self.bin = primary.major, primary.bin
        self.folder = places.new_folder(f"pg{self.major}s")
        self.data, self.socket, self.log = self.folder / "data", self.folder / "s", self.folder / "log"
        self.port = places.free_port()
        self.process, self.generation, self._count = None, 0, 100
        primary.execute("SELECT pg_create_physical_replication_slot('sb')")
        assert primary.stop()
        shutil.copytree(primary.data, self.data)
        for path in [self.folder, self.data, *self.data.rglob("*")]:
            places.give_to_postgres(path)
        self.data.chmod(0o700)
        self.socket.mkdir()
        places.give_to_postgres(self.socket)
        shutil.rmtree(self.data / "pg_replslot" / "sb")
        (self.data / "standby.signal").touch()
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"unix_socket_directories = '{self.socket}'\nport = {self.port}\n"
                       f"primary_conninfo = 'host={primary.socket} port={primary.port} user=postgres dbname={database}'\n"
                       f"primary_slot_name = 'sb'\nhot_standby_feedback = on\nwal_receiver_status_interval = 1s\n"
                       f"sync_replication_slots = {'on' if synchronise else 'off'}\n")
        with open(primary.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write("synchronized_standby_slots = 'sb'\n" if synchronise else "")
        primary.start()
        self.start()

    def wait_synced(self, primary, slot="leat"):
        """A copy is kept once the slot on the primary has moved to where the standby's WAL can serve it."""
        def synced():
            primary.execute("SELECT pg_log_standby_snapshot()")
            return self.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND synced AND NOT temporary "
                                "AND invalidation_reason IS NULL", (slot,))
        wait.until(synced, lambda: f"the slot's copy\n{self.log_tail(8)}", 90)

    def promote(self):
        self.execute("SELECT pg_promote(true, 60)")


def cluster(own_cluster, leat, major, synchronise=True, **options):
    """A primary, its standby, and a daemon that knows both."""
    primary = own_cluster(major, **options)
    db = primary.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    db.connection.close()
    standby = Standby(primary, db.name, synchronise)
    daemon = leat(f"host={primary.socket},{standby.socket} port={primary.port},{standby.port} dbname={db.name} user=leat",
                  source={"failover": synchronise, "reconnect_max": "500ms"}, pipeline={"confirm_interval": "50ms"})
    return primary, standby, db, daemon


class Load:
    """Commits on whatever server takes writes, and knows what was committed for sure."""

    def __init__(self, servers, database):
        self.servers, self.database = servers, database
        self.sure, self.next = [], 1
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ending.is_set():
            for server in self.servers:
                with contextlib.suppress(psycopg2.Error, OSError):
                    connection = server.connect(self.database)
                    with contextlib.closing(connection), connection.cursor() as cursor:
                        while not self.ending.is_set():
                            number, self.next = self.next, self.next + 1
                            cursor.execute("INSERT INTO t VALUES (%s, repeat('x', 50))", (number,))
                            self.sure.append(number)
            time.sleep(0.01)

    def end(self):
        self.ending.set()
        self.thread.join()


def delivered(daemon):
    return [int(record.after["id"]) for record in daemon.records() if record.op == "insert"]


@pytest.mark.parametrize("major", MAJORS)
def test_a_promotion_under_load_loses_and_doubles_nothing(major, own_cluster, leat, things):
    primary, standby, db, daemon = cluster(own_cluster, leat, major)
    things.append(standby)
    daemon.start()
    daemon.wait_streaming(db)
    load = Load([primary, standby], db.name)
    try:
        standby.wait_synced(primary)
        daemon.wait_count(500)
        seen = len(daemon.lines())
        primary.kill()
        standby.promote()
        begun = time.monotonic()
        daemon.wait_log("promoted to another timeline")
        daemon.wait_count(seen + 500)
        print(f"records of the new timeline {time.monotonic() - begun:.2f} s after the promotion")
    finally:
        load.end()
    table = [row[0] for row in standby.execute("SELECT id FROM t ORDER BY id", database=db.name)]
    wait.until(lambda: len(delivered(daemon)) >= len(table) or not daemon.running(), "all records")
    got = delivered(daemon)
    # What the new primary has is what was delivered: nothing that it lost, nothing less, nothing twice.
    assert sorted(got) == table, f"{len(got)} delivered, {len(set(got))} different, {len(table)} in the table"
    assert daemon.terminate() == 0
    state = next(path for path in daemon.state.iterdir() if "lock" not in path.name).read_text()
    assert re.search(r'"timeline"\s+value: "2"', state), state
    daemon.start()
    wait.until(lambda: standby.scalar("SELECT active FROM pg_replication_slots WHERE slot_name = 'leat'"), "a stream")
    assert daemon.terminate() == 0
    assert sorted(delivered(daemon)) == table


def test_a_daemon_that_was_down_during_the_promotion_goes_on(own_cluster, leat, things):
    primary, standby, db, daemon = cluster(own_cluster, leat, "17")
    things.append(standby)
    daemon.start()
    daemon.wait_streaming(db)
    primary.execute("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g", database=db.name)
    daemon.wait_count(1000)
    standby.wait_synced(primary)
    daemon.kill()
    primary.execute("INSERT INTO t SELECT g, 'y' FROM generate_series(1001, 1100) g", database=db.name)
    end = primary.scalar("SELECT pg_current_wal_lsn()")
    wait.until(lambda: standby.scalar("SELECT pg_last_wal_replay_lsn() >= %s", (end,)), "the standby to follow")
    primary.kill()
    standby.promote()
    standby.execute("INSERT INTO t SELECT g, 'z' FROM generate_series(1101, 1200) g", database=db.name)
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0, done.stdout + done.stderr
    daemon.start()
    daemon.wait_count(1200)
    assert sorted(delivered(daemon)) == list(range(1, 1201))
    assert daemon.terminate() == 0


def test_what_was_delivered_beyond_the_promotion_is_65(own_cluster, leat, things):
    """Without synchronized_standby_slots the primary sends what its standby does not have yet."""
    primary, standby, db, daemon = cluster(own_cluster, leat, "17")
    things.append(standby)
    daemon.start()
    daemon.wait_streaming(db)
    primary.execute("INSERT INTO t VALUES (1, 'both')", database=db.name)
    daemon.wait_count(1)
    standby.wait_synced(primary)
    standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
    standby.execute("SELECT pg_reload_conf()")
    wait.until(lambda: not standby.execute("SELECT 1 FROM pg_stat_wal_receiver"), "the standby to be cut off")
    primary.execute("ALTER SYSTEM SET synchronized_standby_slots = ''")
    primary.execute("SELECT pg_reload_conf()")
    primary.execute("INSERT INTO t VALUES (2, 'never happened')", database=db.name)
    daemon.wait_count(2)
    primary.kill()
    standby.promote()
    standby.execute("INSERT INTO t VALUES (3, 'new')", database=db.name)
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert re.search("never happened there|holds records up to", daemon.last_line()), daemon.last_line()
    assert sorted(delivered(daemon)) == [1, 2]
    done = command("check", "-c", daemon.config)
    assert done.returncode == 65, done.stdout + done.stderr


def test_a_standby_without_a_copy_of_the_slot_is_65(own_cluster, leat, things):
    primary, standby, db, daemon = cluster(own_cluster, leat, "17", synchronise=False)
    things.append(standby)
    daemon.start()
    daemon.wait_streaming(db)
    primary.execute("INSERT INTO t VALUES (1, 'x')", database=db.name)
    daemon.wait_count(1)
    end = primary.scalar("SELECT pg_current_wal_lsn()")
    wait.until(lambda: standby.scalar("SELECT pg_last_wal_replay_lsn() >= %s", (end,)), "the standby to follow")
    wait.until(lambda: db.postgres.scalar("SELECT confirmed_flush_lsn >= %s FROM pg_replication_slots "
                                          "WHERE slot_name = 'leat'", (end,)), "the confirmation")
    primary.kill()
    standby.promote()
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert re.search("does not exist any more|never happened", daemon.last_line()), daemon.last_line()
    # One that somebody makes there is no copy.
    standby.execute("SELECT pg_create_logical_replication_slot('leat', 'pgoutput', false, false, true)", database=db.name)
    daemon.start()
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert re.search("no synchronised copy|never happened", daemon.last_line()), daemon.last_line()


def test_a_slot_that_exists_is_made_a_failover_slot(own_cluster, leat):
    pg = own_cluster("17")
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    db.execute("SELECT pg_create_logical_replication_slot('leat', 'pgoutput')")
    daemon = leat(db.dsn(), source={"failover": True})
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0 and "no failover slot yet" in done.stdout, done.stdout + done.stderr
    daemon.start()
    daemon.wait_log("made the slot a failover slot")
    daemon.wait_streaming(db)
    assert db.slot("leat")["failover"] is True
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db)) == 1
    assert daemon.terminate() == 0
    shown = command("slot", "show", "-c", daemon.config)
    assert re.search(r"failover +yes", shown.stdout), shown.stdout


def test_failover_before_17_is_78(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), source={"failover": True}).start()
    assert daemon.wait_exit() == 78
    assert "17 or newer" in daemon.last_line()
    for verb in (["check"], ["slot", "create"]):
        assert command(*verb, "-c", daemon.config).returncode == 78
    assert db.slot("leat") is None
