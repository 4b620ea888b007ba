# SPDX-License-Identifier: Apache-2.0
"""Several sinks, several pipelines, and how leat gets along with the server when there is nothing to do."""
import signal
import time

import pytest

from leat_harness import places, records, wait


def table(db, name="t"):
    db.execute(f"CREATE TABLE {name} (id int PRIMARY KEY, v text)")


@pytest.mark.subset
def test_every_sink_of_a_pipeline_gets_every_record(db, leat, scratch):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    sinks = [{"name": name, "plugin": "file", "directory": str(scratch / name), "compression": compression}
             for name, compression in (("a", "none"), ("b", "zstd"), ("c", "none"))]
    daemon = leat(db.dsn(), sinks=sinks).start()
    daemon.wait_streaming(db)
    for n in range(50):
        db.execute(f"INSERT INTO t SELECT {n} * 20 + g, 'v' FROM generate_series(0, 19) g")
    daemon.send_fence(db)
    lists = []
    for name in "abc":
        daemon.wait_line(daemon.fence_mark, scratch / name)
        lists.append(records.lines(scratch / name))
    assert lists[0] == lists[1] == lists[2] and len(lists[0]) == 1001
    assert daemon.terminate() == 0


@pytest.mark.root
def test_the_slowest_sink_decides_what_is_confirmed(db, leat, scratch, things):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    disk = places.SmallDisk(scratch / "disk", 4 << 20)
    things.append(disk)
    sinks = [{"name": "good", "plugin": "file", "directory": str(scratch / "good")},
             {"name": "full", "plugin": "file", "directory": str(disk.path / "full")}]
    daemon = leat(db.dsn(), sinks=sinks).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'one')")
    daemon.wait_line('"one"', disk.path / "full")
    disk.fill()
    db.execute("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(2, 500) g")
    end = db.lsn()
    daemon.wait_line('"id":500', scratch / "good")
    daemon.wait_log(r"(?i)no space|ENOSPC|full")
    assert not db.caught_up("leat", end)
    daemon.kill()
    daemon.start()
    daemon.wait_streaming(db)
    disk.drain()
    daemon.send_fence(db)
    for folder in (scratch / "good", disk.path / "full"):
        daemon.wait_line(daemon.fence_mark, folder)
        ids = [int(record.after["id"]) for record in records.load(folder) if record.op == "insert"]
        assert ids == list(range(1, 501))
    assert daemon.terminate() == 0


@pytest.mark.subset
def test_several_pipelines_in_one_daemon(db, cluster, leat, scratch, things):
    other = cluster.new_database()
    things.append(other)
    for base, name in ((db, "t"), (other, "u")):
        table(base, name)
        base.execute(f"CREATE PUBLICATION leat FOR TABLE {name}")
    daemon = leat(pipelines=[
        {"name": name, "source": {"plugin": "pgoutput", "dsn": base.dsn(), "slot": f"pipe_{name}", "publication": "leat"},
         "sinks": [{"name": "archive", "plugin": "file", "directory": str(scratch / name)}]}
        for base, name in ((db, "one"), (other, "two"))]).start()
    daemon.wait_streaming(db, "pipe_one")
    daemon.wait_streaming(other, "pipe_two")
    for n in range(100):
        db.execute("INSERT INTO t VALUES (%s, 'x')", (n,))
        other.execute("INSERT INTO u VALUES (%s, 'y')", (n,))
    for base, name, rel in ((db, "one", "t"), (other, "two", "u")):
        found = daemon.fence(base, scratch / name)
        assert [(record.table, int(record.key["id"])) for record in found] == [(rel, n) for n in range(100)]
    assert daemon.terminate() == 0


def test_a_slow_reader_of_one_database_does_not_hold_up_another_pipeline(db, cluster, leat, scratch, things):
    """One source is unreachable, the other flows."""
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(pipelines=[
        {"name": "good", "source": {"plugin": "pgoutput", "dsn": db.dsn(), "slot": "good", "publication": "leat"},
         "sinks": [{"name": "archive", "plugin": "file", "directory": str(scratch / "good")}]},
        {"name": "away", "source": {"plugin": "pgoutput", "dsn": f"host=127.0.0.1 port={places.free_port()} dbname=x "
                                    "user=leat", "slot": "away", "publication": "leat"},
         "sinks": [{"name": "archive", "plugin": "file", "directory": str(scratch / "away")}]}]).start()
    daemon.wait_streaming(db, "good")
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db, scratch / "good")) == 1
    assert daemon.terminate() == 0


def test_routes_put_records_into_folders(db, leat):
    db.execute('CREATE SCHEMA "a/b"; CREATE TABLE "a/b"."../x" (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY); '
               'CREATE PUBLICATION leat FOR TABLE "a/b"."../x", t')
    daemon = leat(db.dsn(), sink={"route": "{schema}/{table}"}).start()
    daemon.wait_streaming(db)
    for n in range(20):
        db.execute(f'INSERT INTO t VALUES ({n}); INSERT INTO "a/b"."../x" VALUES ({n})')
    daemon.send_fence(db)

    def everything():
        return sum(1 for line in daemon.lines() if '"insert"' in line) == 40
    wait.until(everything, "40 records in the folders")
    for path in records.segments(daemon.out):
        assert path.resolve().is_relative_to(daemon.out.resolve())
        tables = {record.table for record in map(records.Record, path.read_text().splitlines())}
        assert len(tables) <= 1
    plain = [path for path in records.segments(daemon.out) if path.parent == daemon.out / "public" / "t"]
    assert plain, [str(path) for path in records.segments(daemon.out)]
    assert daemon.terminate() == 0


def test_segments_rotate_and_keep_their_order(db, leat):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), sink={"rotate_size": "64KiB"}).start()
    daemon.wait_streaming(db)
    for n in range(100):
        db.execute(f"INSERT INTO t SELECT {n} * 100 + g, 'some text' FROM generate_series(0, 99) g")
    found = daemon.fence(db)
    assert [int(record.key["id"]) for record in found] == list(range(10000))
    assert len(records.segments(daemon.out)) > 10
    assert daemon.terminate() == 0


def test_a_fast_shutdown_of_the_server_does_not_wait(own_cluster, leat):
    pg = own_cluster()
    db = pg.new_database()
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    daemon.fence(db)
    began = time.monotonic()
    assert pg.stop(timeout=30), "the server waits for leat"
    print(f"fast shutdown: {time.monotonic() - began:.2f} s")
    daemon.must_run()
    pg.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (2, 'y')")
    assert [int(record.key["id"]) for record in daemon.fence(db)] == [1, 2]
    assert daemon.terminate() == 0


@pytest.mark.root
def test_a_fast_shutdown_while_a_sink_stalls_ends_too(own_cluster, leat, scratch, things):
    """What is not durable is not confirmed; leat lets go of the connection after release_after instead."""
    pg = own_cluster()
    db = pg.new_database()
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    disk = places.SmallDisk(scratch / "disk", 4 << 20)
    things.append(disk)
    daemon = leat(db.dsn(), source={"release_after": "2s"}, sink={"directory": str(disk.path / "a")}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'one')")
    daemon.wait_line('"one"', disk.path / "a")
    disk.fill()
    db.execute("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(2, 500) g")
    daemon.wait_log(r"(?i)no space|ENOSPC|full")
    assert pg.stop(timeout=30), "the server waits for leat"
    disk.drain()
    pg.start()
    found = daemon.fence(db, disk.path / "a")
    assert [int(record.key["id"]) for record in found] == list(range(1, 501))
    assert daemon.terminate() == 0


def test_an_idle_slot_moves_on_while_others_write(db, leat):
    table(db)
    db.execute("CREATE TABLE busy (v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), source={"status_interval": "1s"}).start()
    daemon.wait_streaming(db)
    for _ in range(5):
        db.execute("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 3000)")
    end = db.lsn()
    db.execute("INSERT INTO busy VALUES ('y')")
    wait.until(lambda: db.caught_up("leat", end), "the slot to move on")
    assert daemon.lines() == []
    assert daemon.terminate() == 0
    slot = db.slot("leat")
    assert not slot["active"]


def test_after_a_clean_stop_the_slot_is_where_the_records_end(db, leat):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    end = db.lsn()
    daemon.wait_count(1)
    assert daemon.terminate() == 0
    assert db.caught_up("leat", end)


@pytest.mark.subset
def test_a_change_is_seen_at_once_when_idle(db, leat):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    daemon.fence(db)
    tail = records.Tail(daemon.out)
    tail.more()
    slowest = []
    for n in range(20):
        db.execute("INSERT INTO t VALUES (%s, 'x')", (n,))
        began = time.monotonic()
        wait.until(tail.more, "the record", pause=0.002)
        slowest.append(time.monotonic() - began)
    print(f"commit to file: median {sorted(slowest)[10] * 1000:.1f} ms")
    assert sorted(slowest)[10] < 0.5


def test_signals_that_mean_nothing_change_nothing(db, leat):
    table(db)
    db.execute("CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    for _ in range(200):
        for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGHUP):
            daemon.signal(number)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db)) == 1
    assert daemon.terminate() == 0
