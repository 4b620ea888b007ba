# SPDX-License-Identifier: Apache-2.0
"""leat tail: what passes is shown, and nobody else notices."""
import io
import json
import os
import pty
import re
import signal
import subprocess

import pytest

from leat_harness import places, versions, wait
from leat_harness.leat import command


def first_words(stderr):
    """The line that says from where on nothing is missed; before it, what a slow server was waited for."""
    line = stderr.readline()
    while line.startswith("leat: waiting: "):
        line = stderr.readline()
    assert " on; Ctrl-C ends" in line, line + stderr.read()


class Tail:
    """One `leat tail` that runs."""

    def __init__(self, daemon, *words, stdout=subprocess.PIPE):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", str(places.BUILD / "leat"), "tail", "-c", str(daemon.config),
             *map(str, words)], stdout=stdout, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd="/")

    def begun(self):
        """Its first words on stderr: from here on nothing is missed."""
        first_words(self.process.stderr)
        return self

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        return self.rest()

    def rest(self, timeout=60):
        out, self.said = self.process.communicate(timeout=timeout)
        return [json.loads(line) for line in (out or "").splitlines()]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def tail(things):
    def make(*args, **options):
        made = Tail(*args, **options)
        things.append(made)
        return made
    return make


@pytest.fixture
def shop(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE u (id int PRIMARY KEY); "
               "CREATE SCHEMA s; CREATE TABLE s.t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t, u, s.t")
    return leat(db.dsn())


def slots(db):
    return db.scalar("SELECT coalesce(array_agg(slot_name::text), '{}') FROM pg_replication_slots "
                     "WHERE database = current_database()")


def no_temporary_slot(db):
    return wait.until(lambda: not [name for name in slots(db) if name.startswith("leat_tail")],
                      lambda: f"the temporary slot to go: {slots(db)}")


def test_records_are_those_of_the_daemon_and_its_slot_stays(shop, db, tail):
    shop.start()
    shop.wait_streaming(db)
    view = tail(shop).begun()
    db.execute("INSERT INTO t VALUES (1, 'x'); UPDATE t SET v = E'tab\\there'; DELETE FROM t; TRUNCATE u; "
               "SELECT pg_logical_emit_message(false, 'p', 'c')")
    shop.fence(db)
    wait.until(lambda: any(name.startswith("leat_tail") for name in slots(db)), "the temporary slot")
    found = []
    while len(found) < 6:  # and the fence
        found.append(json.loads(view.process.stdout.readline()))
    assert found == [json.loads(line) for line in shop.lines()]
    assert view.end() == []
    assert view.process.returncode == 0
    no_temporary_slot(db)
    assert shop.running() and "error" not in shop.stderr()
    assert shop.terminate() == 0


def test_it_needs_no_daemon_and_leaves_nothing(shop, db, tail):
    before = sorted(str(path) for path in shop.folder.rglob("*"))
    view = tail(shop, "--count", 3).begun()
    db.execute("INSERT INTO t SELECT i, 'x' FROM generate_series(1, 10) i")
    assert [record["key"]["id"] for record in view.rest()] == [1, 2, 3]
    assert view.process.returncode == 0, view.said
    no_temporary_slot(db)
    assert slots(db) == [] and sorted(str(path) for path in shop.folder.rglob("*")) == before


def test_tables_and_operations(shop, db, tail):
    views = [tail(shop, "--count", 2, *words).begun() for words in
             (["--table", "s.*"], ["--table", "public.t", "--table", "u", "--op", "insert"], ["--op", "delete,message"])]
    db.execute("INSERT INTO t VALUES (1); INSERT INTO s.t VALUES (2); UPDATE t SET v = 'x'; INSERT INTO u VALUES (3); "
               "DELETE FROM s.t; SELECT pg_logical_emit_message(true, 'p', 'c')")
    found = [[(record["op"], record.get("schema"), record.get("table")) for record in view.rest()] for view in views]
    assert found == [[("insert", "s", "t"), ("delete", "s", "t")], [("insert", "public", "t"), ("insert", "public", "u")],
                     [("delete", "s", "t"), ("message", None, None)]]


def test_routes_as_a_sink_would_get_them(db, leat, tail):
    db.execute('CREATE TABLE "o.d" (id int8 PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE "o.d"')
    daemon = leat(db.dsn(), sinks=[{"name": "bus", "plugin": "nats", "url": "nats://127.0.0.1:1", "stream": "S",
                                    "route": "cdc.{table}.{op}", "int8": "string"}])
    view = tail(daemon, "--count", 1, "--route", "bus").begun()
    db.execute('INSERT INTO "o.d" VALUES (9007199254740993)')
    out, said = view.process.communicate(timeout=60)
    route, record = out.rstrip("\n").split("\t")
    assert route == "cdc.o%2Ed.insert" or re.fullmatch(r"cdc\.o\W2[eE]d\.insert", route), route
    assert json.loads(record)["after"] == {"id": "9007199254740993"} and view.process.returncode == 0, said
    done = command("tail", "-c", daemon.config, "--route", "buss")
    assert done.returncode == 64 and "bus" in done.stderr, done


def test_msgpack_is_the_sinks_msgpack(shop, db, things):
    process = subprocess.Popen([str(places.BUILD / "leat"), "tail", "-c", str(shop.config), "--format", "msgpack", "--count", "1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
    first_words(io.TextIOWrapper(process.stderr))
    db.execute("INSERT INTO t VALUES (1, 'abc')")
    out, _ = process.communicate(timeout=60)
    assert out[0] & 0xf0 == 0x80 and b"\xa2op\xa6insert" in out and not out.endswith(b"\n")


def test_from_slot_shows_what_is_not_confirmed_and_confirms_none_of_it(shop, db, tail):
    assert command("slot", "create", "-c", shop.config).returncode == 0
    before = db.slot("leat")
    db.execute("INSERT INTO t VALUES (1, 'waits')")
    for _ in range(2):  # twice the same: it moves nothing
        view = tail(shop, "--from", "slot", "--count", 1)
        assert [record["after"]["v"] for record in view.rest()] == ["waits"], view.said
    assert db.slot("leat")["confirmed_flush_lsn"] == before["confirmed_flush_lsn"]
    shop.start()
    shop.wait_streaming(db)
    view = tail(shop, "--from", "slot").begun()  # beside a daemon that has it
    db.execute("INSERT INTO t VALUES (2, 'live')")
    assert [record.key["id"] for record in shop.fence(db)] == ["1", "2"]
    seen = [view.process.stdout.readline()]
    while shop.fence_mark not in seen[-1]:  # which may come later than in the daemon's files
        assert seen[-1], seen
        seen.append(view.process.stdout.readline())
    assert json.loads(seen[-2])["key"] == {"id": 2}
    assert view.end() == []
    assert shop.terminate() == 0


def test_from_slot_without_one_says_so(shop, db, tail):
    done = command("tail", "-c", shop.config, "--from", "slot")
    assert done.returncode == 69 and 'replication slot "leat" does not exist' in done.stderr, done


def test_a_closed_output_ends_it_at_once(shop, db, tail):
    """Also while nothing passes: `leat tail | head -1`."""
    view = tail(shop).begun()
    db.execute("INSERT INTO t VALUES (1)")
    assert json.loads(view.process.stdout.readline())["key"] == {"id": 1}
    view.process.stdout.close()
    assert view.process.wait(20) == 0
    no_temporary_slot(db)


def test_a_reader_that_stops_costs_no_memory_and_still_ends(shop, db, tail):
    view = tail(shop).begun()
    db.execute("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 300000) i")  # 100 MB of records
    status = f"/proc/{view.process.pid}/status"
    wait.until(lambda: db.scalar("SELECT count(*) FROM pg_stat_replication WHERE application_name LIKE 'leat%' "
                                 "AND sent_lsn < pg_current_wal_lsn()") or None, "the walsender to be behind")
    highest = int(re.search(r"VmHWM:\s+(\d+)", open(status, encoding="ascii").read()).group(1))
    assert highest < 120 * 1024, highest  # memory: 64MiB
    view.process.stdout.read(1)  # what is in the pipe is whole up to here
    view.process.send_signal(signal.SIGINT)
    assert view.process.wait(20) == 0
    no_temporary_slot(db)


def test_a_reader_that_stops_for_long_keeps_no_wal_on_the_server(db, leat, tail):
    db.execute("CREATE TABLE t (id int, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), source={"release_after": "1s"})
    view = tail(daemon).begun()
    db.execute("INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 300000) i")
    assert view.process.wait(60) == 74
    assert "the server keeps WAL for it" in view.process.stderr.read()
    no_temporary_slot(db)


@pytest.mark.parametrize("major", versions.OTHERS)
def test_every_version_of_the_server(own_cluster, leat, tail, major):
    db = own_cluster(major).new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    daemon.start()
    daemon.wait_streaming(db)
    views = [tail(daemon, "--from", how, "--count", 1).begun() for how in ("now", "slot")]
    db.execute("INSERT INTO t VALUES (1)")
    assert [[record["key"] for record in view.rest()] for view in views] == [[{"id": 1}]] * 2
    assert daemon.terminate() == 0


def test_everything_arrives_through_a_slow_pipe(shop, db, tail):
    view = tail(shop, "--count", 50001).begun()
    db.execute("INSERT INTO t SELECT i, repeat('y', i % 3000) FROM generate_series(1, 50000) i; INSERT INTO u VALUES (1)")
    found = view.rest()
    assert [record["key"]["id"] for record in found[:-1]] == list(range(1, 50001)) and view.process.returncode == 0
    assert all(record["after"]["v"] == "y" * (record["key"]["id"] % 3000) for record in found[:-1])


def test_a_lost_server_ends_it_with_69(own_cluster, leat, tail):
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    view = tail(daemon).begun()
    assert pg.stop()  # a fast shutdown does not wait for it
    assert view.process.wait(30) == 69
    assert view.process.stderr.read().strip().splitlines()[-1].startswith("leat: p/source: ")
    done = command("tail", "-c", daemon.config)
    assert done.returncode == 69 and done.stderr.splitlines()[-1].startswith("leat: p/source: "), done


def test_waiting_for_transactions_is_told_and_left_behind_cleanly(shop, db, tail):
    """A slot is made only when all running transactions have ended; Ctrl-C takes the waiting server along."""
    with db.connect() as other:
        other.cursor().execute("INSERT INTO t VALUES (1)")  # open
        view = tail(shop)
        pid = other.info.backend_pid
        heard_of(view, f"now it waits for that of PID {pid}")
        assert view.end() == [] and view.process.returncode == 0
        wait.until(lambda: db.scalar("SELECT count(*) = 0 FROM pg_stat_activity WHERE query LIKE 'CREATE_REPLICATION%'"),
                   "the server to wait no more")


def heard_of(view, needle):
    """Reads the standard error up to a line with it; no line comes twice in a row."""
    lines = [view.process.stderr.readline()]
    while needle not in lines[-1]:
        lines.append(view.process.stderr.readline())
        assert lines[-1].startswith("leat: waiting: ") and lines[-1] != lines[-2], lines
    return lines


def test_a_server_that_stands_still_is_told_and_left_at_once(own_cluster, leat, tail):
    """Also while it should make the slot; the first Ctrl-C waits for no answer."""
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    with db.connect() as other:
        other.cursor().execute("INSERT INTO t VALUES (1)")
        view = tail(daemon)
        heard_of(view, f"PID {other.info.backend_pid}")
        pg.freeze()
        heard_of(view, "the server was asked to make the slot, and does not answer")
        later = tail(daemon)
        heard_of(later, "the server has not answered yet")
        for each in (view, later):
            each.process.send_signal(signal.SIGINT)
            assert each.process.wait(20) == 0 and each.rest() == []
        pg.thaw()
        no_temporary_slot(db)


def test_a_server_that_stands_still_while_it_makes_the_slot_ends_it_with_69(own_cluster, leat, tail):
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), source={"liveness_timeout": "5s"})
    with db.connect() as other:
        other.cursor().execute("INSERT INTO t VALUES (1)")
        view = tail(daemon)
        heard_of(view, f"PID {other.info.backend_pid}")
        pg.freeze()
        assert view.process.wait(60) == 69
        pg.thaw()
        assert re.search("does not answer: given up after", view.process.stderr.read())
        no_temporary_slot(db)


def test_a_quiet_stream_is_told_once(shop, db, tail):
    """Not on the standard output, and not again: neither of a change that is not shown, nor behind the first that is."""
    plain, choosy = tail(shop).begun(), tail(shop, "--table", "u").begun()
    quiet = "leat: waiting: no change has come yet\n"
    assert [view.process.stderr.readline() for view in (plain, choosy)] == [quiet] * 2
    db.execute("INSERT INTO t VALUES (1)")
    assert choosy.process.stderr.readline() == "leat: waiting: changes come, but none yet that --table and --op choose\n"
    assert json.loads(plain.process.stdout.readline())["key"] == {"id": 1}
    db.execute("INSERT INTO t VALUES (2); INSERT INTO u VALUES (3)")
    assert json.loads(choosy.process.stdout.readline())["key"] == {"id": 3}
    assert [record["key"]["id"] for record in plain.end()] == [2, 3] and choosy.end() == []
    assert plain.said == choosy.said == ""


def test_a_terminal_obeys_nothing_of_a_row(shop, db):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(places.BUILD / "leat"), "tail", "-c", str(shop.config), "--count", "1"],
                               stdout=theirs, stderr=subprocess.PIPE, text=True, cwd="/")
    os.close(theirs)
    first_words(process.stderr)
    value = "a\x7fb\x85\x9b31m\xa0\xe9\u20ac\x1b[2J\xc2"
    db.execute("INSERT INTO t VALUES (1, %s)", (value,))
    out = b""
    while not out.endswith(b"\n"):
        out += os.read(ours, 65536)
    assert process.wait(60) == 0
    text = out.decode()
    assert not re.search(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]", text), repr(text)
    assert json.loads(text)["after"]["v"] == value
    os.close(ours)


@pytest.mark.subset
@pytest.mark.parametrize("words, needle", [
    (["--op", "upsert"], "upsert"), (["--op", "inserts"], "did you mean insert?"), (["--count", "0"], "from 1 on"),
    (["--count", "-1"], "from 1 on"), (["--format", "avro"], "json or msgpack"), (["--from", "then"], "now or slot"),
    (["--pipeline", "q"], "it has p"), (["extra"], "unexpected"), (["--nosuch"], "Usage")])
def test_wrong_words_are_64(leat, words, needle):
    daemon = leat("host=127.0.0.1 port=1 dbname=x user=y")
    done = command("tail", "-c", daemon.config, *words)
    assert done.returncode == 64 and needle in done.stderr and not done.stdout, done


def test_several_pipelines_need_a_choice(db, leat, tail):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(pipelines=[{"name": name, "source": {"plugin": "pgoutput", "dsn": db.dsn(), "slot": name, "publication": "leat"},
                              "sinks": [{"plugin": "file", "directory": f"/tmp/none-{name}"}]} for name in ("one", "two")])
    done = command("tail", "-c", daemon.config)
    assert done.returncode == 64 and "--pipeline: one two" in done.stderr, done
    view = tail(daemon, "--pipeline", "two", "--count", 1).begun()
    db.execute("INSERT INTO t VALUES (1)")
    assert len(view.rest()) == 1
