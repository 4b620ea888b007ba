# SPDX-License-Identifier: Apache-2.0
"""Sinks in processes of their own (isolate: true), on real servers: what befalls the processes costs no record and doubles
none, and they have nothing that is not theirs."""
import os
import pathlib
import random
import re
import shutil
import signal
import threading

import pytest

from leat_harness import kafka, nats, places, truth, wait, workload
from leat_harness.admin import Admin
from leat_harness.leat import command, settle

STARTS, BREACHES, TIMEOUTS, PID = (f"leat_sink_helper_{name}" for name in ("starts_total", "breaches_total", "timeouts_total", "pid"))


@pytest.fixture
def bus(nats_target):
    return nats_target("debian", "sequence", isolate=True, isolate_timeout="2s")


@pytest.fixture
def log(shared_broker):
    return kafka.Target(shared_broker, "transactional", "isolated", isolate=True, isolate_timeout="2s")


class Helpers:
    """A daemon whose sinks are isolated: the file sink, and what else is given."""

    def __init__(self, db, leat, scratch, targets=(), archive=None, **top):
        self.db, self.scratch = db, scratch
        self.archive = {"name": "archive", "plugin": "file", "directory": str(scratch / "archive"), "isolate": True,
                        "isolate_timeout": "20s", "retry_max": "200ms", **(archive or {})}
        self.sinks = [self.archive, *(target.sink() for target in targets)]
        self.daemon = leat(db.dsn(), sinks=self.sinks, pipeline={"confirm_interval": "50ms"},
                           top={"http": {"listen": [f"unix:{scratch}/s"]}, "memory": "96MiB", **top})
        self.daemon.out = scratch / "archive"
        self.admin = Admin(scratch / "s")

    def start(self, **options):
        self.daemon.start(**options)
        self.daemon.wait_streaming(self.db)
        wait.until(lambda: all(self.pid(sink["name"]) for sink in self.sinks if sink.get("isolate")), "every helper")
        return self

    def metric(self, name, sink="archive"):
        return self.admin.metric(name, f"sink={sink}")

    def pid(self, sink="archive"):
        return int(self.metric(PID, sink) or 0)

    def reload(self):
        self.daemon.tree["pipelines"][0]["sinks"] = self.sinks
        self.daemon.write_config()
        code, text = self.admin.post("/reload")
        assert code == 200, f"{text}\n{self.daemon.stderr_tail()}"

    def post(self, url):
        code, text = self.admin.post(url)
        assert code == 200, f"{url}: {text}\n{self.daemon.stderr_tail()}"


def is_there(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def alive(pid):
    """The number itself; 0: there is none, or it is dead and not reaped yet."""
    try:
        return pid if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX" else 0
    except FileNotFoundError:
        return 0


def strike(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def test_three_isolated_sinks_equal_the_audit_whatever_befalls_their_processes(db, leat, scratch, bus, log):
    seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
    print(f"LEAT_SEED={seed}")
    dice = random.Random(seed)
    workload.set_up(db)
    first = db.lsn()
    shop = Helpers(db, leat, scratch, [bus, log], archive={"isolate_timeout": "2s"}).start()
    work = workload.Workload(db, seed, 4, pace=0.002).start()
    names = ["archive", "bus", "log"]

    def goes_on(much=5):
        before = work.committed()
        wait.until(lambda: work.committed() > before + much, "the workload")

    def signal_all(number):
        """Of some at once."""
        for name in dice.sample(names, dice.randint(1, 3)):
            strike(shop.pid(name) or 1 << 30, number)

    def kill():
        signal_all(signal.SIGKILL)

    def crash():
        signal_all(signal.SIGSEGV)

    def terminate():
        """Is for the daemon to say: it takes no notice."""
        archive = wait.until(lambda: alive(shop.pid("archive")), "a process")
        for name in names:  # one of a broker's sinks may be on its way down still, after what befell it before
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                strike(shop.pid(name) or 1 << 30, number)
        goes_on(20)
        assert shop.pid("archive") == archive
        assert not re.search(r"killed by signal (1|2|13|15) ", shop.daemon.stderr())

    def stop():
        """It hangs: after isolate_timeout it is another.  One that is dying of what befell it before cannot hang, so each that
        is there is stopped until one was given up."""
        name, hung = dice.choice(names), set()
        before = shop.metric(TIMEOUTS, name)

        def given_up():
            pid = alive(shop.pid(name))
            if pid and pid not in hung:
                strike(pid, signal.SIGSTOP)
                hung.add(pid)
            return shop.metric(TIMEOUTS, name) > before
        wait.until(given_up, lambda: f"{name} to be given up\n{shop.daemon.stderr_tail()}")
        wait.until(lambda: not any(is_there(pid) for pid in hung), lambda: f"{name} to be killed\n{shop.daemon.stderr_tail()}")

    def flip():
        """Into the daemon and out again, while records flow."""
        sink = dice.choice(shop.sinks)
        sink["isolate"] = not sink["isolate"]
        shop.reload()
        goes_on()
        sink["isolate"] = not sink["isolate"]
        shop.reload()

    def pause_sink():
        name = dice.choice(names)
        shop.post(f"/pipelines/p/sinks/{name}/pause")
        strike(shop.pid(name) or 1 << 30, signal.SIGKILL)
        goes_on()
        shop.post(f"/pipelines/p/sinks/{name}/resume")

    def daemon():
        pids = [shop.pid(name) for name in names]
        shop.daemon.kill()
        wait.until(lambda: not any(pid and is_there(pid) for pid in pids), "the helpers to go with the daemon")
        shop.start()

    for step in [kill, crash, terminate, stop, flip, pause_sink, daemon] * 2:
        print(step.__name__)
        goes_on()
        step()
    work.finish()
    settle(shop.daemon, db)
    pids = [shop.pid(name) for name in names]
    assert all(shop.metric(BREACHES, name) == 0 for name in names)
    assert shop.daemon.terminate() == 0
    assert not any(is_there(pid) for pid in pids)
    loose = [text for session in work.sessions for text in session.loose_messages]
    for lines in (shop.daemon.lines(), bus.lines(), log.lines()):
        assert truth.verify(db, lines, first, seed, loose) > 100


def test_a_helper_has_nothing_of_the_daemons(db, leat, scratch):
    """Neither a listening socket nor the connection to PostgreSQL, neither the state's lock nor a variable that is not
    meant for it; and it is told apart in ps."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Helpers(db, leat, scratch, http={"listen": [f"unix:{scratch}/s", f"127.0.0.1:{places.free_port()}"]})
    shop.start(env={"NOTIFY_SOCKET": f"{scratch}/notify", "LEAT_SECRET_OF_OURS": "Zq7-secret", "LC_ALL": "C.UTF-8"})
    db.execute("INSERT INTO t SELECT generate_series(1, 1000)")
    shop.daemon.wait_line('"id":1000')
    pid, ours = shop.pid(), shop.daemon.process.pid
    proc = pathlib.Path(f"/proc/{pid}")

    def links(process):
        found = []
        for name in os.listdir(f"/proc/{process}/fd"):
            try:
                found.append(os.readlink(f"/proc/{process}/fd/{name}"))
            except FileNotFoundError:
                pass
        return found
    theirs, of_daemon = links(pid), links(ours)
    shared = {name for name in theirs if name.startswith("socket:")} & {name for name in of_daemon if name.startswith("socket:")}
    assert len(shared) <= 1, f"more than the bell: {shared}"
    listening = {f"socket:[{line.split()[6]}]" for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]
                 if int(line.split()[3], 16) & 0x10000}
    for table in ("tcp", "tcp6"):
        listening |= {f"socket:[{line.split()[9]}]" for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]}
    assert listening & set(of_daemon), "the daemon listens: else this proves nothing"
    assert not listening & set(theirs)
    assert any(str(shop.daemon.state) in name for name in of_daemon)
    for name in theirs:
        assert re.match(rf"/dev/null$|pipe:|socket:|{re.escape(str(scratch))}/archive|.*\.so$", name), theirs
    environ = proc.joinpath("environ").read_bytes()
    assert b"NOTIFY_SOCKET" not in environ and b"Zq7" not in environ and b"LC_ALL=C.UTF-8" in environ
    assert proc.joinpath("cmdline").read_bytes() == b"leat\0__sink\0p/archive\0"
    assert proc.joinpath("comm").read_text() == "leat-sink\n"
    status = dict(line.split(":\t", 1) for line in proc.joinpath("status").read_text().splitlines())
    assert (status["NoNewPrivs"], status["SigBlk"], status["PPid"]) == ("1", "0" * 16, str(ours))
    assert int(proc.joinpath("oom_score_adj").read_text()) >= 500
    assert shop.daemon.terminate() == 0


@pytest.mark.parametrize("kind", ["file", "credential", "environment"])
def test_a_secret_reaches_an_isolated_sink_and_nothing_else(kind, db, leat, scratch, own):
    first, second = "s3cr3t-first-Zq7", "s3cr3t-second-Zq7"
    server = own(nats.Server, "debian", f'authorization {{ token: "{first}" }}')
    server.login = {"auth_token": first}
    server.wait_ready()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    places_of = {"file": f"${{file:{scratch}/token}}", "credential": "${credential:token}", "environment": "${LEAT_TOKEN}"}
    sink = {"name": "bus", "plugin": "nats", "url": server.url, "token": places_of[kind], "stream": "LEAT", "create_stream": True,
            "create": {"subjects": ["cdc.>"]}, "confirm_hold": "0s", "route": "cdc.{table}", "isolate": True, "retry_max": "200ms"}

    class Target:
        @staticmethod
        def sink():
            return sink
    shop = Helpers(db, leat, scratch, [Target], log={"level": "debug"})
    (pathlib.Path(str(scratch)) / "token").write_text(first + "\n")
    (pathlib.Path(str(scratch)) / "token").chmod(0o600)
    shop.daemon.env = {"CREDENTIALS_DIRECTORY": str(scratch), "LEAT_TOKEN": first}
    shop.start()
    db.execute("INSERT INTO t SELECT generate_series(1, 100)")
    server.wait_stream("LEAT", 100)
    for name in ("archive", "bus"):
        proc = pathlib.Path(f"/proc/{shop.pid(name)}")
        for file in ("cmdline", "environ", "comm", "maps", "status"):
            assert b"Zq7" not in proc.joinpath(file).read_bytes(), (name, file)
        assert not any("options" in os.readlink(proc / "fd" / fd) for fd in os.listdir(proc / "fd"))
    if kind != "environment":  # the new one is asked for when the connection is made anew: the process stays
        pid = shop.pid("bus")
        server.kill()
        conf = server.folder / "conf"
        conf.write_text(conf.read_text().replace(first, second))
        (pathlib.Path(str(scratch)) / "token").write_text(second + "\n")
        server.login = {"auth_token": second}
        server.start()
        server.wait_ready()
        db.execute("INSERT INTO t SELECT generate_series(101, 200)")
        server.wait_stream("LEAT", 200)
        print("same process" if shop.pid("bus") == pid else "another process")
    assert shop.daemon.terminate() == 0
    assert "Zq7" not in shop.daemon.stderr()
    for path in shop.daemon.state.rglob("*"):
        assert not path.is_file() or b"Zq7" not in path.read_bytes()


def test_a_stopped_daemon_takes_its_helper_along_and_a_frozen_pair_goes_on(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Helpers(db, leat, scratch, archive={"isolate_timeout": "3s"}).start()
    pid = shop.pid()
    # Both stand still for longer than the timeout, as when a machine sleeps: the helper is not to blame.  Who blames it
    # sleeps first, and the time is long beside what may pass between two lines here.
    wait.freeze(shop.daemon.process.pid)
    wait.freeze(pid)
    threading.Event().wait(4)  # the pause is what is tried
    shop.daemon.signal(signal.SIGCONT)
    strike(pid, signal.SIGCONT)
    db.execute("INSERT INTO t SELECT generate_series(1, 100)")
    shop.daemon.wait_line('"id":100')
    assert (shop.pid(), shop.metric(TIMEOUTS), shop.metric(STARTS)) == (pid, 0, 1)
    # A helper that is stopped ends with the daemon all the same.
    strike(pid, signal.SIGSTOP)
    shop.daemon.kill()
    wait.until(lambda: not is_there(pid), "the helper to go")


def test_what_a_process_says_last_is_in_the_log_under_its_sink(db, leat, scratch):
    """An abort's word on standard error is a line of the log, and the log says how the process ended, and is begun again."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Helpers(db, leat, scratch).start()
    pid = shop.pid()
    with open(f"/proc/{pid}/fd/2", "w") as voice:
        voice.write("malloc(): corrupted top size\n")
    shop.daemon.wait_log(rf'isolated sink wrote to its standard error pipeline=p instance=archive pid={pid} text="malloc\(\): corrupted top size"')
    strike(pid, signal.SIGABRT)
    shop.daemon.wait_log(rf"instance=archive.*the process {pid} of plugin file was killed by signal 6 \(Aborted\)")
    wait.until(lambda: shop.pid() not in (0, pid), "another process")
    db.execute("INSERT INTO t VALUES (1)")
    shop.daemon.wait_line('"id":1')
    figures = {figure["name"]: figure["value"] for figure in shop.admin.pipeline()["sinks"][0]["metrics"]}
    assert (figures["helper_starts_total"], figures["helper_pid"]) == (2, shop.pid())
    wait.until(lambda: 1 << 18 < shop.metric("leat_sink_helper_memory_bytes") < 512 << 20, "a figure of its memory")
    said = command("status", "-c", shop.daemon.config, build=shop.daemon.build)
    assert said.returncode == 0 and f"in a process of its own, {shop.pid()}, begun 2 times" in said.stdout, said.stdout
    assert shop.daemon.terminate() == 0


def test_a_library_that_is_being_replaced_costs_nothing(db, leat, scratch):
    """Without it no process can be begun; the daemon stays, says why, and goes on when it is there again."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    shop = Helpers(db, leat, scratch)
    build, ours = pathlib.Path(shop.daemon.build), pathlib.Path(str(scratch))
    for name in ("plugins.d", "plugins"):
        shutil.copytree(build / name, ours / name, ignore=shutil.ignore_patterns("fake*"))
    library, away = ours / "plugins" / "file.so", ours / "plugins" / "away"
    shop.daemon.tree["plugins"] = str(ours / "plugins.d")
    shop.daemon.write_config()
    shop.start()
    pid = shop.pid()
    library.rename(away)
    strike(pid, signal.SIGKILL)
    shop.daemon.wait_log("sink is down.*file.so")
    assert shop.daemon.running()
    away.rename(library)
    db.execute("INSERT INTO t VALUES (1)")
    shop.daemon.wait_line('"id":1')
    assert shop.pid() != pid
    assert shop.daemon.terminate() == 0


@pytest.mark.parametrize("wrong", [{"window": 7}, {"confirm_hold": "soon"}, {"route": "cdc.{nothing}"}])
def test_options_that_only_the_plugin_can_judge_are_found_before_anything_is_made(wrong, db, leat, scratch):
    """As of a sink in the daemon: the same words, 78, and no slot; leat check says it as well, also offline; and a reload
    to them is refused with the old sink still at work."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    bus = {"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{places.free_port()}", "stream": "LEAT", "route": "cdc.{table}", **wrong}
    said = []
    for isolate in (False, True):
        daemon = leat(db.dsn(), sinks=[{**bus, "isolate": isolate}])
        daemon.start()
        assert daemon.wait_exit() == 78, daemon.stderr_tail()
        said.append(daemon.stderr().splitlines()[-1].split(": ")[-1])
        assert db.scalar("SELECT count(*) FROM pg_replication_slots") == 0
        offline = command("check", "--offline", "-c", daemon.config, build=daemon.build)
        assert offline.returncode == 78 and said[-1] in offline.stdout + offline.stderr, offline
    assert said[0] == said[1] and said[0]
    shop = Helpers(db, leat, scratch).start()
    pid = shop.pid()
    shop.sinks.append({**bus, "isolate": True})
    shop.daemon.tree["pipelines"][0]["sinks"] = shop.sinks
    shop.daemon.write_config()
    code, text = shop.admin.post("/reload")
    assert code == 422 and said[0].replace('"', '\\"') in str(text), text
    db.execute("INSERT INTO t VALUES (1)")
    shop.daemon.wait_line('"id":1')
    assert shop.pid() == pid and shop.metric(STARTS) == 1
    assert shop.daemon.terminate() == 0
