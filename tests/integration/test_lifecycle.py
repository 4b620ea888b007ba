# SPDX-License-Identifier: Apache-2.0
"""Start, stop, and every reason for not going on: the exit status, and the last line on stderr that says why."""
import os
import re
import signal
import subprocess

import pytest

from leat_harness import places, versions, wait
from leat_harness.fixtures import cluster_of
from leat_harness.leat import command


@pytest.fixture
def running(db, leat):
    """A daemon that has delivered a record."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'one')")
    daemon.fence(db)
    return daemon


def ends(daemon, status, *words):
    got = daemon.wait_exit()
    last = daemon.last_line()
    assert got == status, f"exit {got}, not {status}\n{daemon.stderr_tail()}"
    for word in words:
        assert re.search(word, last, re.I), f"{word!r} is not in the last line: {last}"


# ---- stopping -------------------------------------------------------------------------------------

@pytest.mark.subset
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(number, running, db):
    for n in range(2, 200):
        db.execute("INSERT INTO t VALUES (%s, 'x')", (n,))
    running.signal(number)
    assert running.wait_exit(35) == 0
    before = running.lines()
    running.start()
    found = running.fence(db)
    assert [int(record.key["id"]) for record in found] == list(range(1, 200))
    assert running.lines()[:len(before)] == before


def test_a_signal_before_the_server_is_there_ends_with_0(leat):
    daemon = leat(f"host=127.0.0.1 port={places.free_port()} dbname=x user=leat").start()
    daemon.wait_log(r"(?i)refused|connect")
    assert daemon.terminate() == 0


@pytest.mark.root
def test_a_second_signal_ends_at_once(db, leat, scratch, things):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    disk = places.SmallDisk(scratch / "disk", 4 << 20)
    things.append(disk)
    daemon = leat(db.dsn(), sink={"directory": str(disk.path / "a")}, top={"shutdown_timeout": "60s"}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (0, 'first')")
    daemon.wait_line('"first"', disk.path / "a")
    disk.fill()
    db.execute("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 1000) g")
    daemon.wait_log(r"(?i)no space|ENOSPC|full")
    said = len(daemon.stderr())
    daemon.signal(signal.SIGTERM)
    daemon.wait_log("stopping", since=said)  # the first one was taken: two that wait together are one
    daemon.must_run()  # it waits for the sink
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(30)
    disk.drain()
    daemon.start()
    daemon.wait_streaming(db)
    assert len(daemon.fence(db, disk.path / "a")) == 1001


@pytest.mark.root
def test_the_shutdown_timeout_ends_the_wait_for_a_sink(db, leat, scratch, things):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    disk = places.SmallDisk(scratch / "disk", 4 << 20)
    things.append(disk)
    daemon = leat(db.dsn(), sink={"directory": str(disk.path / "a")}, top={"shutdown_timeout": "1s"}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (0, 'first')")
    daemon.wait_line('"first"', disk.path / "a")
    disk.fill()
    db.execute("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 1000) g")
    daemon.wait_log(r"(?i)no space|ENOSPC|full")
    daemon.signal(signal.SIGTERM)
    daemon.wait_exit(25)
    disk.drain()
    daemon.start()
    daemon.wait_streaming(db)
    assert len(daemon.fence(db, disk.path / "a")) == 1001


# ---- the server comes and goes ---------------------------------------------------------------------

def test_a_server_that_is_down_at_the_start_is_waited_for(own_cluster, leat):
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    db.connection.close()
    assert pg.stop()
    daemon = leat(db.dsn()).start()
    daemon.wait_log(r"(?i)no such file|refused|connect")
    daemon.must_run()
    pg.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    assert len(daemon.fence(db)) == 1
    assert daemon.terminate() == 0


def test_a_slot_in_use_is_waited_for(running, db, leat):
    """Another daemon, with a state of its own, wants the same slot: it stands by and takes over."""
    second = leat(db.dsn(), folder=None)
    second.start()
    second.wait_log(r"(?i)active|in use")
    second.must_run()
    assert second.terminate() == 0


# ---- 65: a gap is possible --------------------------------------------------------------------------

def drop_slot(db):
    def dropped():
        db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'leat' AND active")
        try:
            db.execute("SELECT pg_drop_replication_slot('leat')")
            return True
        except Exception as error:  # noqa: B902  it was taken again: once more
            assert "active" in str(error), error
            return False
    wait.until(dropped, "the slot to be dropped")


@pytest.mark.subset
def test_a_dropped_slot_is_65_while_running(running, db):
    drop_slot(db)
    ends(running, 65, "leat", "slot")
    assert db.slot("leat") is None, "it was made again"
    running.start()
    ends(running, 65, "slot")
    assert db.slot("leat") is None, "it was made again"


@pytest.mark.subset
@pytest.mark.parametrize("major", [versions.DEBIAN, *(major for major in versions.OTHERS if major != "14")])
def test_a_slot_that_sends_what_is_only_prepared_is_78(major, things, leat):
    db = cluster_of(major).new_database()
    things.append(db)
    slot = f"leat_{db.name}"
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    db.execute(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput', false, true)")
    daemon = leat(db.dsn(), slot=slot)
    checked = command("check", "-c", daemon.config)
    assert checked.returncode == 78 and "two_phase" in checked.stdout + checked.stderr, checked
    daemon.start()
    assert daemon.wait_exit() == 78
    assert "two_phase" in daemon.last_line() and "leat slot drop" in daemon.last_line()


def test_a_recreated_slot_is_65(running, db):
    assert running.terminate() == 0
    db.execute("INSERT INTO t VALUES (2, 'in the gap')")
    drop_slot(db)
    db.execute("SELECT pg_create_logical_replication_slot('leat', 'pgoutput')")
    running.start()
    ends(running, 65, "slot")


def test_a_slot_that_somebody_advanced_is_65(running, db):
    assert running.terminate() == 0
    db.execute("INSERT INTO t VALUES (2, 'skipped')")
    db.execute("SELECT pg_replication_slot_advance('leat', pg_current_wal_lsn())")
    running.start()
    ends(running, 65, "slot")


def test_another_cluster_is_65(running, own_cluster, db):
    """The same names, the same slot, another system identifier."""
    assert running.terminate() == 0
    other = own_cluster()
    twin = other.new_database()
    twin.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t; ")
    twin.execute("SELECT pg_create_logical_replication_slot('leat', 'pgoutput')")
    running.tree["pipelines"][0]["source"]["dsn"] = twin.dsn()
    running.write_config()
    running.start()
    ends(running, 65, "system")


def test_records_that_vanished_from_the_sink_are_65(running, db):
    db.execute("INSERT INTO t SELECT g, 'x' FROM generate_series(2, 100) g")
    running.fence(db)
    assert running.terminate() == 0
    newest = sorted(running.out.rglob("*.ndjson"))[-1]
    data = newest.read_bytes()
    newest.write_bytes(data[:data.rfind(b"\n", 0, len(data) // 2) + 1])
    running.start()
    ends(running, 65, "archive")


def test_an_emptied_sink_is_new_and_warned_of(running, db):
    assert running.terminate() == 0
    places.remove(running.out)
    running.start()
    running.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (2, 'x')")
    assert [record.key["id"] for record in running.fence(db)] == ["2"]
    assert re.search(r"(?i)warn", running.stderr())
    assert running.terminate() == 0


def test_a_missing_publication_is_not_waited_for_in_silence(db, leat):
    daemon = leat(db.dsn(), publication="nosuch").start()
    wait.until(lambda: not daemon.running() or re.search("nosuch", daemon.stderr()), "a word about the publication")
    if not daemon.running():
        assert daemon.wait_exit() in (65, 78), daemon.stderr_tail()
        assert "nosuch" in daemon.last_line()


def test_a_state_that_is_not_ours_is_refused(running):
    assert running.terminate() == 0
    files = [path for path in running.state.iterdir() if path.is_file() and "lock" not in path.name and path.stat().st_size]
    assert len(files) == 1, files
    data = files[0].read_bytes()
    for damaged in (b"", data[:len(data) // 2], data[:-3] + b"xyz", os.urandom(len(data)), data.replace(b"leat", b"laet")):
        if damaged == data:
            continue
        files[0].write_bytes(damaged)
        size = len(running.stderr())
        running.start()
        status = running.wait_exit()
        assert status not in (0, -6, -11, 70), f"{damaged[:60]!r}: exit {status}\n{running.stderr()[size:]}"
        assert files[0].name in running.last_line() or "state" in running.last_line(), running.last_line()
    files[0].write_bytes(data)


def test_a_locked_state_directory_is_refused(running, db, leat):
    second = leat(db.dsn(), slot="other", top={"state_directory": str(running.state)})
    second.start()
    status = second.wait_exit()
    assert status in (73, 74, 77, 78), second.stderr_tail()
    assert re.search(r"(?i)lock|in use|runs", second.last_line()), second.last_line()
    running.must_run()


def test_two_writers_of_one_directory_are_refused(running, db, leat):
    second = leat(db.dsn(), slot="other", sink={"directory": str(running.out)})
    second.start()
    second.wait_log(r"(?i)lock|in use|another")
    db.execute("INSERT INTO t VALUES (5, 'x')")
    found = running.fence(db)
    assert [record.key["id"] for record in found] == ["1", "5"]


# ---- 78 and 64 --------------------------------------------------------------------------------------

BASE = """state_directory: {state}
plugins: {plugins}
pipelines:
  - name: p
    source: {{ plugin: pgoutput, dsn: "host=/nowhere dbname=x", slot: s, publication: p }}
    sinks:
      - name: archive
        plugin: file
        directory: {out}
"""

MISTAKES = [
    ("memroy: 64MiB\n", 10, r"memroy.*memory"),
    ("memory: 64MB of it\n", 10, "memory"),
    ("memory: -5\n", 10, "memory"),
    ("shutdown_timeout: 5 parsecs\n", 10, "shutdown_timeout"),
    ("log: { level: loud }\n", 10, "level"),
    ("        compresion: zstd\n", 10, "compresion.*compression"),
    ("        compression: gzip\n", 10, "compression"),
    ("        directory: /twice\n", 10, "directory"),
    ("        format: ${NOSUCH_VARIABLE}\n", 10, "NOSUCH_VARIABLE"),
    ("        format: ${file:/nowhere/at/all}\n", 10, "/nowhere/at/all"),
    ("      - { name: archive, plugin: file, directory: /x }\n", 10, "archive"),
    ("      - { name: b, plugin: nosuch }\n", 10, "nosuch"),
    ("      - { name: b, plugin: file }\n", 10, "directory"),
    ("      - { name: 'UPPER CASE', plugin: file, directory: /x }\n", 10, "UPPER CASE"),
    ("  - { name: q }\n", 10, "source"),
    ("\tx: 1\n", 10, ""),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake[0].strip())
def test_a_mistake_is_78_with_its_place(mistake, leat):
    text, line, words = mistake
    daemon = leat("unused")
    daemon.write_config(BASE.format(state=daemon.state, plugins=daemon.build / "plugins.d", out=daemon.out) + text)
    for verb in (["check", "--offline"], ["run"]):
        done = command(*verb, "-c", daemon.config)
        assert done.returncode == 78, done
        said = done.stderr + done.stdout
        assert re.search(rf"config\.yaml:{line}:\d+: .*{words}", said), said


def kafka(name, **options):
    return {"name": name, "plugin": "kafka", "brokers": ["one:9092", "two:9092"], "route": "t", "transactional_id": "shop", **options}


def file(name, directory, **options):
    return {"name": name, "plugin": "file", "directory": directory, **options}


ONE_PLACE = {
    "the same": (file("a", "{}/real/x"), file("b", "{}//link/../link/./x/"), "b/b", r'"directory": sink "a/a" \(line \d+\) has .*/real/x '),
    "inside": (file("a", "{}/real/x"), file("b", "{}/link/x/y"), "b/b", r'"directory": .*/real/x/y lies inside .*/real/x, .* sink "a/a"'),
    "around": (file("a", "{}/link/x"), file("b", "{}/real"), "b/b", r'"directory": in .*/real lies .*/real/x, .* sink "a/a"'),
    "letters": (file("b-c", "{}/x", on_reject="dead_letter", dead_letter="{}/real/dead"),
                file("c", "{}/y", on_reject="dead_letter", dead_letter="{}/link/dead"), "a-b/c",
                r'"dead_letter": .*/real/dead/a-b-c.ndjson, .* sink "a/b-c"'),
    "fenced": (kafka("a"), kafka("b", brokers=["two:9092"]), "b/b", r'"transactional_id": sink "a/a" .* the same "brokers"'),
}


@pytest.mark.subset
@pytest.mark.parametrize("case, pipelines", [(case, n) for case in ONE_PLACE for n in (1, 2) if (case, n) != ("letters", 1)])
def test_two_sinks_in_one_place_are_refused(case, pipelines, leat, scratch):
    first, second, name, words = ONE_PLACE[case]
    (scratch / "real").mkdir()
    (scratch / "link").symlink_to("real")
    sinks = [{key: value.format(scratch) if isinstance(value, str) else value for key, value in sink.items()} for sink in (first, second)]
    source = {"plugin": "pgoutput", "dsn": "host=/nowhere dbname=x", "slot": "s", "publication": "p"}
    other = name.split("/")[0]
    tree = [{"name": "a", "source": source, "sinks": sinks[:1]}, {"name": other, "source": dict(source, slot="t"), "sinks": sinks[1:]}]
    if pipelines == 1:
        tree = [{"name": "a", "source": source, "sinks": sinks}]
    daemon = leat(pipelines=tree)
    lines = daemon.config.read_text(encoding="utf-8").splitlines()
    option = re.match(r'"(\w+)"', words)[1]
    line = max(n for n, text in enumerate(lines, 1) if f"{option}:" in text.replace("- ", ""))
    column = len(lines[line - 1]) - len(lines[line - 1].split(": ", 1)[1]) + 1
    for verb in (["check"], ["check", "--offline"], ["run"], ["tail"]):
        done = command(*verb, "-c", daemon.config)
        assert done.returncode == 78, done
        assert re.fullmatch(rf"{re.escape(str(daemon.config))}:{line}:{column}: {words}.*; (give|name) .*\n", done.stderr), (done.stderr, line, column)
    assert not list(daemon.state.iterdir())
    # What only looks alike is taken.
    lines[line - 1] = lines[line - 1][:column - 1] + '"/nowhere/else"'
    daemon.write_config("\n".join(lines))
    assert command("check", "--offline", "-c", daemon.config).returncode == 0


@pytest.mark.subset
@pytest.mark.parametrize("wrong, words", [({"slot": "A b"}, "slot must be"), ({"dsn": "who knows"}, "dsn is not"),
                                          ({"publication": ""}, "publication 1 of the list"), ({"accept_gap": "x"}, "accept_gap must be"),
                                          ({"guard": {"warn": "2GiB", "critical": "1GiB"}}, "guard.warn must not")])
def test_what_only_the_source_can_judge_is_said_alike_by_every_command(wrong, words, leat):
    daemon = leat(f"host=127.0.0.1 port={places.free_port()} dbname=x", source=wrong)
    said = set()
    for verb in (["check", "--offline"], ["check"], ["run"], ["tail"], ["slot", "show"], ["setup"]):
        done = command(*verb, "-c", daemon.config)
        assert done.returncode == 78, done
        lines = [line[line.index("p/source: "):] for line in (done.stdout + done.stderr).splitlines() if "p/source: " in line]
        assert len(lines) == (2 if verb[0] == "check" else 1), done  # its last line on stderr says it once more
        said.update(lines)
    assert len(said) == 1 and said.pop().startswith(f"p/source: {words}"), said


def test_every_mistake_is_told_in_one_run(leat):
    daemon = leat("unused")
    text = BASE.format(state=daemon.state, plugins=daemon.build / "plugins.d", out=daemon.out)
    daemon.write_config(text.replace("slot: s", "slto: s") + "        rotat: 5\nmemory: lots\nnosuch: 1\n")
    done = command("run", "-c", daemon.config)
    assert done.returncode == 78
    places_told = set(re.findall(r"config\.yaml:(\d+):\d+:", done.stderr))
    assert {"5", "10", "11", "12"} <= places_told, done.stderr


@pytest.mark.subset
@pytest.mark.parametrize("words", [["frobnicate"], [], ["run"], ["run", "--nosuch"], ["check"], ["slot"], ["slot", "dance"],
                                   ["run", "-c"], ["plugins", "a", "b"], ["version", "x"]])
def test_wrong_usage_is_64(words):
    done = command(*words)
    assert done.returncode == 64, done
    assert done.stderr.strip(), "it says nothing"


def test_a_config_that_is_not_there(scratch):
    done = command("run", "-c", scratch / "nosuch.yaml")
    assert done.returncode in (66, 77, 78), done
    assert "nosuch.yaml" in done.stderr


def test_an_unwritable_state_directory_is_told_at_the_start(leat, scratch):
    (scratch / "file").write_text("x")
    daemon = leat("host=/nowhere dbname=x", top={"state_directory": str(scratch / "file" / "state")}).start()
    status = daemon.wait_exit()
    assert status in (73, 74, 77, 78), daemon.stderr_tail()
    assert "state" in daemon.last_line()


@pytest.mark.plain  # a sanitizer wants descriptors of its own
@pytest.mark.parametrize("files, status", [(5, 73), (7, 73), (8, 73), (11, 73), (12, 74)])
def test_too_few_files_to_start_with_are_named(files, status, leat):
    daemon = leat("host=/nowhere dbname=x", top={"http": {"listen": "none"}})
    done = subprocess.run(["prlimit", f"--nofile={files}", str(places.BUILD / "leat"), "run", "-c", str(daemon.config)],
                          capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == status and "Too many open files" in last, (done.returncode, last)
    assert status != 73 or "cannot start" in last or "raise the limit of open files" in last
