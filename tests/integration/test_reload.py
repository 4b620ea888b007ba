# SPDX-License-Identifier: Apache-2.0
"""Commands and reloads while a random workload runs into files and a NATS stream: both hold what the triggers wrote down,
once and in order."""
import json
import os
import random
import re
import signal

import pytest

from leat_harness import records, truth, wait, workload
from leat_harness.admin import Admin
from leat_harness.leat import settle


@pytest.fixture
def bus(nats_target):
    return nats_target("debian", "sequence")


class Shop:
    """A daemon with a file sink and, with a target, a NATS sink behind one slot."""

    def __init__(self, db, leat, scratch, target=None, **options):
        self.db, self.target = db, target
        self.archive = {"name": "archive", "plugin": "file", "directory": str(scratch / "archive")}
        self.sinks = [self.archive] + ([target.sink()] if target else [])
        self.scratch = scratch
        self.daemon = leat(db.dsn(), sinks=self.sinks, top={"http": {"listen": f"unix:{scratch}/s"}}, **options)
        self.daemon.out = scratch / "archive"
        self.admin = Admin(scratch / "s")

    def start(self):
        self.daemon.start()
        self.daemon.wait_streaming(self.db)
        return self

    def reloads(self):
        """How many have ended, and how the last one did."""
        last = self.admin.status()["reload"]
        return last["done"] + last["refused"], last

    def post(self, url, expect=200):
        before, _ = self.reloads()
        code, text = self.admin.post(url)
        if code == 202 and json.loads(text)["state"] == "reloading":  # it takes longer than an answer may: a busy machine
            wait.until(lambda: self.reloads()[0] > before, "an end of the reload")
            _, last = self.reloads()
            code, text = (200, json.dumps({"ok": True, "message": last["text"]})) if last["last"] == "done" else \
                (409, json.dumps({"error": last["text"]}))
        assert code == expect, f"{url}: {code} {text}\n{self.daemon.stderr_tail()}"
        return json.loads(text)

    def reload(self, query="", expect=200):
        self.daemon.tree["pipelines"][0]["sinks"] = self.sinks
        self.daemon.write_config()
        return self.post("/reload" + query, expect)

    def confirmed(self):
        """All that was committed before the call is confirmed when it returns."""
        settle(self.daemon, self.db)


def test_both_sinks_equal_the_audit_whatever_is_changed(db, leat, scratch, bus):
    seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
    print(f"LEAT_SEED={seed}")
    dice = random.Random(seed)
    workload.set_up(db)
    first = db.lsn()
    shop = Shop(db, leat, scratch, bus).start()
    work = workload.Workload(db, seed, 4, pace=0.002).start()

    def goes_on():
        before = work.committed()
        wait.until(lambda: work.committed() > before + 5, "the workload")

    def sink():
        bus.options["stall_warning"] = f"{dice.randint(60, 600)}s"
        assert shop.reload()["message"] == "sinks restarted: p/bus"

    def routes():
        """What a route was when a record was encoded is where it goes: the stream takes both."""
        bus.options["route"] = dice.choice(["cdc.{schema}.{table}.{op}", "cdc.all.{table}"])
        shop.reload()

    def archive():
        shop.archive["rotate_size"] = dice.choice(["64KiB", "256KiB", "1MiB"])
        shop.reload()

    def source():
        shop.daemon.tree["pipelines"][0]["batch"] = {"max_delay": f"{dice.randint(1, 30)}ms"}
        shop.reload()

    def memory():
        shop.daemon.tree["memory"] = dice.choice(["48MiB", "64MiB", "96MiB"])
        shop.reload()

    def third():
        """A new sink begins at the confirmed position, and holds an unbroken end of the stream."""
        folder = scratch / f"third{len(list(scratch.glob('third*')))}"
        shop.sinks.append({"name": "third", "plugin": "file", "directory": str(folder)})
        shop.reload()
        goes_on()
        if dice.random() < 0.5:
            shop.post("/pipelines/p/sinks/third/drop")
            goes_on()
        shop.sinks.pop()
        shop.reload(dice.choice(["", "?removed=drop"]))
        whole = shop.daemon.lines()
        part = records.lines(folder)
        if part:
            begin = whole.index(part[0])
            wait.until(lambda: shop.daemon.lines()[begin:begin + len(part)] == part, "the archive to have as much")

    def pause():
        shop.post("/pipelines/p/pause")
        goes_on()
        shop.post("/pipelines/p/resume")

    def pause_sink():
        name = dice.choice(["archive", "bus"])
        shop.post(f"/pipelines/p/sinks/{name}/pause")
        goes_on()
        shop.post(f"/pipelines/p/sinks/{name}/resume")

    def drain():
        assert shop.post("/pipelines/p/drain")["state"] == "drained"
        assert [json.loads(x)["lsn"] for x in shop.daemon.lines()][-1:] == [json.loads(x)["lsn"] for x in bus.lines()][-1:]
        shop.post("/pipelines/p/resume")

    def broker():
        """A reload while the broker is away, as when somebody mends its address."""
        bus.kill()
        goes_on()
        sink()
        bus.start()

    for step in [sink, routes, archive, source, third, memory, pause, pause_sink, drain, broker] * 2:
        print(step.__name__)
        goes_on()
        step()
    work.finish()
    shop.confirmed()
    assert shop.daemon.terminate() == 0
    loose = [text for session in work.sessions for text in session.loose_messages]
    for lines in (shop.daemon.lines(), bus.lines()):
        assert truth.verify(db, lines, first, seed, loose) > 100


def test_a_dropped_sink_comes_back(db, leat, scratch, bus):
    """At once while nothing it has missed is confirmed; else by a command that accepts the gap, which is then one gap."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Shop(db, leat, scratch, bus).start()
    db.execute("INSERT INTO t SELECT generate_series(1, 100)")
    shop.confirmed()
    bus.kill()
    # Nothing new: it has everything that is confirmed.
    shop.post("/pipelines/p/sinks/bus/drop")
    assert not shop.admin.ready()[0] and "sink bus is dropped" in shop.admin.ready()[1]
    shop.post("/pipelines/p/sinks/bus/resume")
    db.execute("INSERT INTO t SELECT generate_series(101, 200)")
    end = db.lsn()
    shop.daemon.wait_line('"id":200')
    assert not db.caught_up("leat", end), "the sink is back, and away: nothing is confirmed"
    shop.post("/pipelines/p/sinks/bus/drop")
    wait.until(lambda: db.caught_up("leat", end), "the confirmation to go on without it")
    shop.daemon.kill()
    shop.start()
    assert shop.admin.pipeline()["sinks"][1]["state"] == "dropped"
    bus.start()
    error = shop.post("/pipelines/p/sinks/bus/resume", expect=409)["error"]
    assert re.search(r"up to [0-9A-F]+/[0-9A-F]+ seq \d+, and what follows up to [0-9A-F]+/[0-9A-F]+ seq 99 is confirmed", error)
    shop.post("/pipelines/p/sinks/bus/resume?accept_gap=true")
    db.execute("INSERT INTO t SELECT generate_series(201, 300)")
    shop.confirmed()
    assert shop.daemon.terminate() == 0

    def ids(lines):
        return [int(record.after["id"]) for record in map(records.Record, lines) if record.op == "insert"]
    assert ids(shop.daemon.lines()) == list(range(1, 301))
    assert ids(bus.lines()) == [*range(1, 101), *range(201, 301)]


def test_a_bad_file_changes_nothing(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Shop(db, leat, scratch).start()
    good = shop.daemon.config.read_text()
    for text, part in ((good.replace("file", "fiel"), 'did you mean "file"'), ("{", "config.yaml:"),
                       (good + "\nmlock: true\n", "mlock"), (good.replace("leat\"", "leat\x00\""), "config.yaml:")):
        shop.daemon.write_config(text)
        assert part in shop.post("/reload", expect=422)["error"], part
        before = shop.admin.status()["reload"]["refused"]
        shop.daemon.signal(signal.SIGHUP)
        wait.until(lambda b=before: shop.admin.status()["reload"]["refused"] > b, "the signal's answer in the status")
        assert part in shop.admin.status()["reload"]["text"]
    assert shop.admin.metric("leat_config_reload_success") == 0
    db.execute("INSERT INTO t VALUES (1)")
    assert len(shop.daemon.fence(db)) == 1
    assert shop.admin.pipeline()["source"]["connections"] == 1
    shop.daemon.write_config()
    shop.post("/reload")
    assert shop.admin.metric("leat_config_reload_success") == 1
    assert shop.daemon.terminate() == 0


@pytest.mark.parametrize("how", ["added", "moved"])
def test_a_sink_put_into_anothers_folder_changes_nothing(how, db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Shop(db, leat, scratch)
    (scratch / "link").symlink_to("archive")
    other = {"name": "other", "plugin": "file", "directory": str(scratch / "other")}
    if how == "moved":
        shop.sinks.append(other)
        shop.daemon.write_config()
    shop.start()
    db.execute("INSERT INTO t VALUES (1)")
    shop.confirmed()
    assert (scratch / "other").exists() == (how == "moved")
    if how == "added":
        shop.sinks.append(other)
    for directory, words in (("archive/", "has .*/archive for itself"), ("link/in", "lies inside .*/archive,"), (".", "lies .*/archive,")):
        other["directory"] = str(scratch / directory)
        error = shop.reload(expect=422)["error"]
        assert re.search(rf'config\.yaml:\d+:\d+: "directory": .*{words}', error) and 'sink "p/archive"' in error, error
        before = shop.admin.status()["reload"]["refused"]
        shop.daemon.signal(signal.SIGHUP)
        wait.until(lambda b=before: shop.admin.status()["reload"]["refused"] > b, "the signal's answer in the status")
        assert 'sink "p/archive"' in shop.admin.status()["reload"]["text"]
    db.execute("INSERT INTO t VALUES (2)")
    shop.confirmed()
    assert [record.key["id"] for record in records.load(scratch / "archive") if record.op == "insert"] == ["1", "2"]
    assert shop.admin.pipeline()["source"]["connections"] == 1
    other["directory"] = str(scratch / "elsewhere")
    shop.reload()
    db.execute("INSERT INTO t VALUES (3)")
    shop.confirmed()
    assert "3" in [record.key["id"] for record in records.load(scratch / "elsewhere") if record.op == "insert"]
    assert shop.daemon.terminate() == 0


def test_two_sinks_change_their_folders_with_each_other(db, leat, scratch):
    """Each goes where the other one was, which is nobody's place any more: the file is right, and so is what comes."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Shop(db, leat, scratch)
    other = {"name": "other", "plugin": "file", "directory": str(scratch / "other")}
    shop.sinks.append(other)
    shop.daemon.write_config()
    shop.start()
    db.execute("INSERT INTO t VALUES (1)")
    shop.confirmed()
    other["directory"], shop.archive["directory"] = shop.archive["directory"], other["directory"]
    shop.reload()
    db.execute("INSERT INTO t VALUES (2)")
    shop.confirmed()
    for folder in ("archive", "other"):
        assert [record.key["id"] for record in records.load(scratch / folder) if record.op == "insert"] == ["1", "2"]
    assert shop.daemon.terminate() == 0


def test_a_paused_pipeline_lets_the_server_shut_down(own_cluster, leat, scratch):
    """It keeps its slot, not its connection, when release_after has passed."""
    cluster = own_cluster()
    db = cluster.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Shop(db, leat, scratch, source={"release_after": "1s"}).start()
    shop.post("/pipelines/p/pause")
    db.execute("INSERT INTO t VALUES (1)")
    wait.until(lambda: not db.slot_active("leat"), "the connection to be given up")
    assert cluster.stop(timeout=30), "a fast shutdown waits for leat"
    cluster.start()
    db.execute("INSERT INTO t VALUES (2)")
    shop.post("/pipelines/p/resume")
    assert [record.after["id"] for record in shop.daemon.fence(db)] == ["1", "2"]
    assert shop.daemon.terminate() == 0


def test_a_second_pipeline_comes_and_goes(db, cluster, leat, scratch, things):
    other = cluster.new_database()
    things.append(other)
    for base, name in ((db, "t"), (other, "u")):
        base.execute(f"CREATE TABLE {name} (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE {name}")
    shop = Shop(db, leat, scratch).start()
    db.execute("INSERT INTO t VALUES (1)")
    second = {"name": "q", "source": {"plugin": "pgoutput", "dsn": other.dsn(), "slot": "second", "publication": "leat"},
              "sinks": [{"name": "archive", "plugin": "file", "directory": str(scratch / "q")}]}
    shop.daemon.tree["pipelines"].append(second)
    assert "pipelines added: q" in shop.reload()["message"]
    shop.daemon.wait_streaming(other, "second")
    db.execute("INSERT INTO t VALUES (2)")
    other.execute("INSERT INTO u VALUES (7)")
    shop.daemon.wait_line('"id":7', scratch / "q")
    shop.daemon.tree["pipelines"].pop()
    assert "pipelines removed: q" in shop.reload()["message"]
    assert not other.slot_active("second")
    other.execute("INSERT INTO u VALUES (8)")
    assert len(shop.daemon.fence(db)) == 2
    shop.daemon.tree["pipelines"].append(second)
    shop.reload()
    shop.daemon.wait_line('"id":8', scratch / "q")
    assert shop.daemon.terminate() == 0
    assert [record.after["id"] for record in records.load(scratch / "q") if record.op == "insert"] == ["7", "8"]
    other.execute("SELECT pg_drop_replication_slot('second')")
