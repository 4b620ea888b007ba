# SPDX-License-Identifier: Apache-2.0
"""The slot guard and the heartbeat: each state of a slot caused for real, each action, and what is told of it."""
import re
import signal
import subprocess

import pytest

from leat_harness import endpoint, places, rows, versions, wait
from leat_harness.leat import settle

NARROW = "wal_keep_size = 0\nmax_wal_size = 64MB\nmin_wal_size = 32MB\ncheckpoint_timeout = 1h\n"


@pytest.fixture
def bus(nats_target):
    """A server that a test can freeze, so that a sink stands still without filling a disk."""
    return nats_target("current")


def database(pg):
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (v text);"
               "CREATE PUBLICATION leat FOR TABLE t")
    return db


def daemon_for(leat, db, *sinks, source=None, **options):
    daemon = leat(db.dsn(), source={"guard": {"interval": "200ms"}, **(source or {})}, sinks=list(sinks) or None,
                  pipeline={"confirm_interval": "50ms"}, **options)
    daemon.socket = daemon.folder / "a.sock"
    daemon.tree["http"] = {"listen": f"unix:{daemon.socket}"}
    daemon.write_config()
    daemon.start()
    daemon.wait_streaming(db)
    return daemon


def figure(daemon, name, **labels):
    return endpoint.metric(daemon.socket, f"leat_source_{name}", **labels)


def write_wal(db, megabytes):
    """WAL that no publication tells of."""
    for _ in range(megabytes):
        db.execute("INSERT INTO other SELECT repeat(md5(g::text), 16) FROM generate_series(1, 1800) g")


def wait_for_health(daemon, db):
    """Behind a checkpoint a slot that confirmed all need keep nothing: what lets it go comes by itself every 15 s only."""
    settle(daemon, db)
    db.execute("CHECKPOINT")
    daemon.wait_log("the slot is well again")


# ---- what is seen ---------------------------------------------------------------------------------------------------


@pytest.mark.subset
def test_an_idle_slot_is_seen_to_be_well(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = daemon_for(leat, db)
    wait.until(lambda: (figure(daemon, "guard_looks_total") or 0) >= 3, "three looks")
    assert figure(daemon, "slot_level") == 0
    assert figure(daemon, "slot_active") == 1
    assert figure(daemon, "slot_condition", condition="fine") == 1
    assert figure(daemon, "slot_condition", condition="lost") == 0
    assert figure(daemon, "slot_wal_status", status="reserved") == 1
    assert not figure(daemon, "guard_failures_total")
    db.execute("INSERT INTO t VALUES (1)")
    daemon.fence(db)
    wait.until(lambda: figure(daemon, "slot_lag_seconds") == 0 and figure(daemon, "slot_lag_bytes") < 65536, "no lag")
    wait.until(lambda: figure(daemon, "slot_decoded_transactions_total") > 0, "the server's statistics")
    # The role may not list pg_wal, and is not refused anything else.
    assert figure(daemon, "wal_directory_bytes") is None
    assert "cannot look" not in daemon.stderr()
    # No connection stays between two looks.
    assert daemon.terminate() == 0


@pytest.mark.parametrize("major", versions.OTHERS)
def test_every_version_tells_what_the_guard_asks(major, own_cluster, leat):
    db = database(own_cluster(major))
    daemon = daemon_for(leat, db, source={"heartbeat": "100ms"})
    wait.until(lambda: (figure(daemon, "guard_looks_total") or 0) >= 2 and figure(daemon, "heartbeats_total"), "two looks")
    assert figure(daemon, "slot_condition", condition="fine") == 1
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db)) == 1
    assert "cannot look" not in daemon.stderr()
    assert daemon.terminate() == 0


def test_a_role_that_may_lists_pg_wal(own_cluster, leat):
    pg = own_cluster()
    pg.execute("GRANT pg_monitor TO leat")
    daemon = daemon_for(leat, database(pg))
    wait.until(lambda: (figure(daemon, "wal_directory_bytes") or 0) >= 16 << 20, "the size of pg_wal")
    assert daemon.terminate() == 0


def test_levels_come_and_go_and_run_a_command_each(own_cluster, leat, bus, scratch):
    pg = own_cluster()
    db = database(pg)
    told = scratch / "told"
    daemon = daemon_for(leat, db, bus.sink(), source={
        "release_after": "0s", "guard": {"interval": "200ms", "warn": "8MiB", "critical": "24MiB",
                                         "run": f'echo "$LEAT_STATE_BEFORE $LEAT_STATE $LEAT_PIPELINE $LEAT_SLOT '
                                                f'$LEAT_RETAINED_BYTES $LEAT_SINK $${{PGPASSWORD-none}}" >> {told}'}}, env={"PGPASSWORD": "geheim"})
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    write_wal(db, 10)
    daemon.wait_log("keeps much WAL")
    wait.until(lambda: figure(daemon, "slot_level") == 1, "level 1")
    write_wal(db, 20)
    daemon.wait_log("keeps too much WAL")
    wait.until(lambda: figure(daemon, "slot_level") == 2, "level 2")
    lag = wait.until(lambda: figure(daemon, "slot_lag_seconds"), "lag in seconds")
    wait.until(lambda: figure(daemon, "slot_lag_seconds") > lag, "growing lag")
    assert figure(daemon, "slot_retained_bytes") > 24 << 20
    bus.resume()
    wait_for_health(daemon, db)
    def all_told():
        """The way back may be one command or two."""
        lines = told.read_text().splitlines() if told.exists() else []
        return lines if len(lines) >= 3 and lines[-1].split()[1] == "ok" else None
    lines = wait.until(all_told, "a command for each level")
    assert [line.split()[:4] for line in lines] == [["ok", "warn", "p", "leat"], ["warn", "critical", "p", "leat"],
                                                     ["critical", "ok", "p", "leat"]] \
        or [line.split()[1] for line in lines] == ["warn", "critical", "warn", "ok"], lines
    assert int(lines[1].split()[4]) > 24 << 20
    assert lines[0].split()[-2:] == ["bus", "none"] or lines[0].split()[-1] == "none", lines
    assert daemon.stderr().count("keeps too much WAL") == 1
    assert daemon.terminate() == 0


def test_a_command_that_hangs_is_killed_and_the_stream_goes_on(own_cluster, leat, bus, scratch):
    db = database(own_cluster())
    daemon = daemon_for(leat, db, bus.sink(), {"name": "archive", "plugin": "file", "directory": str(scratch / "out")},
                        source={"release_after": "0s",
                                "guard": {"interval": "200ms", "warn": "4MiB", "run_timeout": "500ms",
                                          "run": f"echo $$ > {scratch}/pid; sleep 1000 & wait"}})
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    write_wal(db, 6)
    daemon.wait_log("took too long and was killed")
    group = int((scratch / "pid").read_text())
    wait.until(lambda: subprocess.run(["pgrep", "-g", str(group)], capture_output=True).returncode == 1,
               "the command's children to be gone")
    db.execute("INSERT INTO t VALUES (2, 'y')")
    assert len(daemon.wait_count(2, scratch / "out")) == 2
    bus.resume()
    assert daemon.terminate() == 0


def test_stop_ends_with_69_and_says_what_to_do(own_cluster, leat, bus):
    db = database(own_cluster())
    daemon = daemon_for(leat, db, bus.sink(), source={
        "release_after": "0s", "guard": {"interval": "200ms", "warn": "1MiB", "critical": "4MiB", "action": "stop"}})
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    write_wal(db, 6)
    assert daemon.wait_exit() == 69, daemon.stderr_tail()
    assert re.search(r"slot \"leat\" keeps \d+ bytes.*leat slot drop", daemon.last_line()), daemon.last_line()
    bus.resume()
    daemon.tree["pipelines"][0]["source"]["guard"] = {"interval": "200ms"}
    daemon.write_config()
    daemon.start()
    wait.until(lambda: len(bus.lines()) == 1, "the record")
    assert daemon.terminate() == 0


def test_wal_that_is_nearly_lost_is_critical_by_itself(own_cluster, leat, bus):
    """max_slot_wal_keep_size, by percent, with no size configured."""
    pg = own_cluster(settings=NARROW + "max_slot_wal_keep_size = 96MB\n")
    db = database(pg)
    daemon = daemon_for(leat, db, bus.sink(), source={
        "release_after": "0s", "guard": {"interval": "200ms", "warn": 0, "critical": 0}})
    assert wait.until(lambda: figure(daemon, "slot_keep_limit_bytes"), "the limit") == 96 << 20
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    write_wal(db, 60)
    daemon.wait_log("keeps much WAL")
    write_wal(db, 34)
    daemon.wait_log("keeps too much WAL")
    bus.resume()
    daemon.wait_log("the slot is well again")
    assert daemon.terminate() == 0


# ---- the slot's ends -------------------------------------------------------------------------------------------------


def lose(pg, db):
    """Past the limit, and a checkpoint that makes it true."""
    write_wal(db, 60)
    pg.execute("CHECKPOINT")
    wait.until(lambda: db.slot("leat")["wal_status"] == "lost", "the slot to be lost")


@pytest.fixture
def released(own_cluster, leat, bus):
    """A daemon whose sink stands still, and which gave its connection up."""
    pg = own_cluster(settings=NARROW + "max_slot_wal_keep_size = 16MB\n")
    db = database(pg)
    daemon = daemon_for(leat, db, bus.sink(), source={"release_after": "500ms"})
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    daemon.wait_log("connection released")
    wait.until(lambda: db.slot("leat")["active"] is False, "the slot to be free")
    return pg, db, daemon


def test_a_slot_lost_while_the_sink_stands_still_is_65(released):
    pg, db, daemon = released
    lose(pg, db)
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert re.search("lost while the sinks stood still", daemon.last_line()), daemon.last_line()


def test_a_slot_dropped_while_the_sink_stands_still_is_65(released):
    _, db, daemon = released
    db.execute("SELECT pg_drop_replication_slot('leat')")
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert re.search("dropped while the sinks stood still", daemon.last_line()), daemon.last_line()


def test_a_stranger_that_takes_the_slot_is_named(released, bus):
    pg, db, daemon = released
    stranger = subprocess.Popen(places.as_postgres(
        ["pg_recvlogical", "-h", pg.socket, "-p", pg.port, "-d", db.name, "-U", "leat", "-S", "leat", "--start", "-f",
         "/dev/null", "-n", "-o", "proto_version=1", "-o", "publication_names=leat", "-F", "0", "-s", "1"],
        die_with_us="KILL"), stderr=subprocess.DEVNULL)
    try:
        wait.until(lambda: db.slot_active("leat"), "the stranger to read")
        daemon.wait_log(r"not as it should be.*condition=taken.*pg_recvlogical")
        assert figure(daemon, "slot_condition", condition="taken") == 1
        # The sink is back: the daemon wants the slot, and waits for it.
        bus.resume()
        daemon.wait_log("for a stranger, waiting for it")
        assert endpoint.get(daemon.socket, "/livez")[0] == 200
        ready, why = endpoint.get(daemon.socket, "/readyz")
        assert ready == 503 and "pg_recvlogical" in why, why
    finally:
        stranger.send_signal(signal.SIGINT)
        stranger.wait(20)
    # It has confirmed what the daemon's sink may not have: nobody vouches for that.
    status = wait.until(lambda: daemon.process.poll() is not None or db.slot_active("leat"), "an end or a stream")
    if status is True and daemon.process.poll() is not None:
        assert daemon.wait_exit() == 65, daemon.stderr_tail()


# ---- the heartbeat ----------------------------------------------------------------------------------------------------


def test_a_heartbeat_moves_the_slot_and_is_never_delivered(own_cluster, leat):
    pg = own_cluster()
    db = database(pg)
    daemon = daemon_for(leat, db, source={"heartbeat": "100ms", "guard": {"interval": "200ms"}})
    before = db.slot("leat")["confirmed_flush_lsn"]
    wait.until(lambda: (figure(daemon, "heartbeats_total") or 0) >= 5, "five heartbeats")
    wait.until(lambda: pg.scalar("SELECT confirmed_flush_lsn > %s FROM pg_replication_slots WHERE slot_name = 'leat'",
                                 (before,)), "the slot to move")
    # Others' messages are delivered, whatever their prefix; ordinals count every one.
    db.execute("BEGIN; SELECT pg_logical_emit_message(true, 'leat', 'heartbeat');"
               "SELECT pg_logical_emit_message(true, 'leat', 'mine'); INSERT INTO t VALUES (1, 'x'); COMMIT")
    found = daemon.fence(db)
    assert [(record.op, int(record.seq)) for record in found] == [("message", 1), ("insert", 2)], found
    assert daemon.terminate() == 0


def test_an_idle_database_beside_a_busy_one_keeps_no_wal(own_cluster, leat):
    """By heartbeats, and by keepalives without them."""
    pg = own_cluster()
    db, busy = database(pg), pg.new_database()
    busy.execute("CREATE TABLE other (v text)")
    for heartbeat in ("0s", "200ms"):
        daemon = daemon_for(leat, db, source={"heartbeat": heartbeat})
        for _ in range(3):
            write_wal(busy, 5)
            end = busy.lsn()
            wait.until(lambda: db.caught_up("leat", end), f"the slot to follow with heartbeat {heartbeat}")
        assert daemon.lines() == []
        assert daemon.terminate() == 0


# ---- a sink that is dropped -------------------------------------------------------------------------------------------


def test_the_sink_that_holds_the_slot_back_is_dropped_and_the_others_go_on(own_cluster, leat, bus, scratch):
    db = database(own_cluster())
    out = scratch / "out"
    daemon = daemon_for(leat, db, bus.sink(), {"name": "archive", "plugin": "file", "directory": str(out)}, source={
        "release_after": "0s", "guard": {"interval": "200ms", "warn": "2MiB", "critical": "6MiB", "action": "drop_sink"}})
    db.execute("INSERT INTO t VALUES (1, 'both')")
    wait.until(lambda: len(bus.lines()) == 1, "the first record in both")
    bus.pause()
    db.execute("INSERT INTO t VALUES (2, 'held back')")
    write_wal(db, 10)
    daemon.wait_log(r"dropped the sink that held the slot back.*sink=bus")
    db.execute("INSERT INTO t VALUES (3, 'for the other')")
    end = db.lsn()
    wait.until(lambda: db.caught_up("leat", end), lambda: f"the slot to move\n{daemon.stderr_tail()}")
    assert [int(record.key["id"]) for record in daemon.records(out)] == [1, 2, 3]
    assert figure(daemon, "guard_actions_total", action="drop_sink") == 1
    # The last one is never dropped, however bad it gets.
    assert daemon.stderr().count("dropped the sink that held") == 1
    bus.resume()
    assert daemon.terminate() == 0


def test_the_last_sink_is_never_dropped(own_cluster, leat, bus):
    db = database(own_cluster())
    daemon = daemon_for(leat, db, bus.sink(), source={
        "release_after": "0s", "guard": {"interval": "200ms", "warn": "2MiB", "critical": "6MiB", "action": "drop_sink"}})
    bus.pause()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    write_wal(db, 10)
    daemon.wait_log(r"is the last one, and is not dropped")
    bus.resume()
    wait_for_health(daemon, db)
    assert rows.ids(bus) == [1]
    assert daemon.stderr().count("is the last one") == 1
    assert daemon.terminate() == 0
