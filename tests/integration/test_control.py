# SPDX-License-Identifier: Apache-2.0
"""status, pause, resume, drain, drop, reload, loglevel, stop: what they ask of a daemon, what they make of its answer."""
import contextlib
import http.server
import json
import os
import pty
import re
import signal
import socketserver
import subprocess
import threading

import pytest

from leat_harness import places, wait
from leat_harness.leat import command

STATUS = {"version": "0.1.0", "pid": 4000000, "log_level": "info", "ready": True, "reasons": "", "pipelines": [
    {"name": "shop", "state": "running", "sinks": [{"name": "bus"}, {"name": "archive"}]},
    {"name": "mail", "state": "running", "sinks": [{"name": "archive"}]}]}


class Endpoint:
    """A daemon's endpoint that answers as told and remembers what it was asked."""

    def __init__(self, path):
        self.asked, self.answers, self.status = [], {}, json.loads(json.dumps(STATUS))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self, code, text):
                body = text.encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.reply(200, json.dumps(outer.status) if self.path == "/status" else "ok\n")

            def do_POST(self):
                outer.asked.append(self.path)
                self.reply(*outer.answers.get(self.path, (200, '{"ok":true}')))

            def log_message(self, *args):
                pass

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True

            def get_request(self):
                return self.socket.accept()[0], ("local", 0)
        self.server = Server(str(path), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def endpoint(scratch, things):
    made = Endpoint(scratch / "s")
    things.append(made)
    made.path = str(scratch / "s")
    return made


@pytest.mark.parametrize("words, posts", [
    (["pause", "--pipeline", "shop"], ["/pipelines/shop/pause"]),
    (["pause"], ["/pipelines/shop/pause", "/pipelines/mail/pause"]),
    (["pause", "--sink", "bus"], ["/pipelines/shop/sinks/bus/pause"]),
    (["resume", "--pipeline", "mail", "--sink", "archive"], ["/pipelines/mail/sinks/archive/resume"]),
    (["resume", "--sink", "bus", "--accept-gap"], ["/pipelines/shop/sinks/bus/resume?accept_gap=true"]),
    (["drop", "--sink", "bus"], ["/pipelines/shop/sinks/bus/drop"]),
    (["drain"], ["/pipelines/shop/drain", "/pipelines/mail/drain"]),
    (["reload"], ["/reload"]), (["reload", "--drop-removed"], ["/reload?removed=drop"]),
    (["loglevel", "debug"], ["/loglevel?level=debug"]),
    (["loglevel", "default", "--component", "shop/bus"], ["/loglevel?level=default&component=shop/bus"]), (["stop"], ["/shutdown"]), (["loglevel"], [])])
def test_what_is_asked(endpoint, words, posts):
    done = command(*words, "--socket", endpoint.path)
    assert done.returncode == 0 and not done.stderr and done.stdout, done
    assert endpoint.asked == posts
    answer = json.loads(command(*words, "--socket", endpoint.path, "--json").stdout)
    assert answer == [{"ok": True}] * len(posts) or (not posts and answer == [{"level": "info"}]), answer


@pytest.mark.parametrize("words, needle", [
    (["pause", "--pipeline", "shoop"], "it has: shop mail"), (["pause", "--sink", "bus", "--pipeline", "mail"], "shop/bus,archive"),
    (["pause", "--sink", "archive"], "choose with --pipeline"), (["drain", "--sink", "bus"], "not for a sink"),
    (["drop"], "--sink NAME is missing"), (["reload", "--pipeline", "shop"], "whole daemon"),
    (["stop", "now"], "unexpected now"), (["loglevel", "loud"], "not loud"), (["loglevel", "default"], "not default"),
    (["loglevel", "debug", "--component", "a&b"], "no name of a component"), (["stop", "--component", "core"], "is for leat loglevel"), (["resume", "--accept-gap"], "--accept-gap is for"),
    (["pause", "--pipeline", "../shutdown"], "no name of a pipeline"), (["pause", "--sink", "a/b"], "no name of a sink"),
    (["pause", "--wait"], "nothing to --wait for"), (["pause", "--nosuch"], "Usage")])
def test_wrong_words_are_64_and_ask_nothing(endpoint, words, needle):
    done = command(*words, "--socket", endpoint.path)
    assert done.returncode == 64 and needle in done.stderr and not done.stdout, done
    assert endpoint.asked == []


@pytest.mark.parametrize("words, code, expected", [
    (["resume", "--sink", "bus"], 409, 65), (["pause", "--pipeline", "shop"], 409, 69), (["reload"], 422, 78),
    (["reload"], 400, 78), (["reload"], 409, 69), (["stop"], 405, 77), (["stop"], 500, 70), (["stop"], 503, 69), (["stop"], 404, 64)])
def test_a_refusal_is_shown_with_its_advice(endpoint, words, code, expected):
    for path in ("/pipelines/shop/sinks/bus/resume", "/pipelines/shop/pause", "/reload", "/shutdown"):
        endpoint.answers[path] = (code, json.dumps({"error": "no: \x1b[31m do \"this\"\nand that"}))
    done = command(*words, "--socket", endpoint.path)
    assert done.returncode == expected, done
    assert 'no: ?[31m do "this"\nand that' in done.stderr and not done.stdout, done
    done = command(*words, "--socket", endpoint.path, "--json")
    assert done.returncode == expected and "error" in json.loads(done.stdout)[0], done


def test_one_refusal_of_several_is_not_forgotten(endpoint):
    endpoint.answers["/pipelines/shop/pause"] = (409, '{"error":"it drains"}')
    done = command("pause", "--socket", endpoint.path)
    assert done.returncode == 69 and "it drains" in done.stderr and "mail: pause" in done.stdout, done


def test_drain_waits_for_the_end(endpoint):
    process = subprocess.Popen([str(places.BUILD / "leat"), "drain", "--pipeline", "shop", "--wait", "--socket", endpoint.path],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    wait.until(lambda: endpoint.asked, "the command")
    endpoint.status["pipelines"][0]["state"] = "drained"
    assert process.wait(20) == 0
    process.stdout.close()


def test_nobody_there(scratch):
    for words in (["status"], ["pause"], ["stop"], ["reload"]):
        done = command(*words, "--socket", scratch / "none")
        assert done.returncode == 69 and "no daemon answers" in done.stderr and "systemctl start" in done.stderr, done


@pytest.mark.skipif(not places.is_root(), reason="needs another user")
def test_a_socket_that_may_not_be_used_is_77(endpoint, scratch):
    (scratch / "s").chmod(0o600)
    for words in (["status"], ["pause"]):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", str(places.BUILD / "leat"),
                               *words, "--socket", endpoint.path], capture_output=True, text=True, cwd="/")
        assert done.returncode == 77 and "join the group" in done.stderr, done


# ---- a real daemon ---------------------------------------------------------------------------------

@pytest.fixture
def shop(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), top={"http": {"listen": f"unix:{scratch}/s"}})
    daemon.socket = f"{scratch}/s"
    daemon.start()
    daemon.wait_streaming(db)
    wait.until(lambda: command("status", "-c", daemon.config).returncode == 0, "the daemon to be ready")
    return daemon


def test_status_needs_neither_plugins_nor_secrets(shop):
    text = shop.config.read_text().replace('plugin: "pgoutput"', 'plugin: "nosuch"').replace('dsn: "', 'dsn: "${file:/none}')
    other = shop.folder / "other.yaml"
    other.write_text(text)
    other.chmod(0o600)
    done = command("status", "-c", other)
    assert done.returncode == 0 and "ready" in done.stdout, done
    other.write_text("http: [")
    assert command("status", "-c", other).returncode == 78
    other.write_text("http: {listen: none}\n")
    done = command("status", "-c", other)
    assert done.returncode == 69 and "http.listen: none" in done.stderr
    other.write_text('http: {listen: ["127.0.0.1:1"]}\n')
    done = command("stop", "-c", other)
    assert done.returncode == 69 and "unix socket" in done.stderr


def test_commands_to_a_real_daemon(shop, db):
    assert command("loglevel", "-c", shop.config).stdout == "info\n"
    assert command("loglevel", "debug", "-c", shop.config).returncode == 0
    assert command("loglevel", "-c", shop.config).stdout == "debug\n"
    assert json.loads(command("status", "-c", shop.config, "--json").stdout)["log_level"] == "debug"
    assert command("loglevel", "debug", "--component", "p/archive", "-c", shop.config).returncode == 0
    assert json.loads(command("status", "-c", shop.config, "--json").stdout)["log_levels"] == {"p/archive": "debug"}
    done = command("loglevel", "debug", "--component", "nosuch", "-c", shop.config)
    assert done.returncode == 64 and "no such component" in done.stderr, done
    done = command("stop", "--wait", "-c", shop.config)
    assert done.returncode == 0 and "stopping" in done.stdout, done
    with open(f"/proc/{shop.process.pid}/stat", encoding="ascii") as stat:  # it had ended when the command came back
        assert stat.read().rsplit(") ", 1)[1][0] in "ZX"
    assert shop.process.wait(20) == 0
    assert command("status", "-c", shop.config).returncode == 69


def test_a_drained_pipeline_stands_until_it_is_resumed(shop, db):
    db.execute("INSERT INTO t VALUES (1)")
    shop.wait_count(1)
    done = command("drain", "--wait", "-c", shop.config)
    assert done.returncode == 0 and done.stdout == "p: drained\n", done
    db.execute("INSERT INTO t VALUES (2)")
    done = command("status", "-c", shop.config)
    assert done.returncode == 1 and "pipeline p: drained" in done.stdout and len(shop.lines()) == 1, done
    assert command("resume", "-c", shop.config).stdout == "p: running\n"
    shop.wait_count(2)
    assert shop.terminate() == 0 and len(shop.lines()) == 2


def test_pause_drop_and_resume_with_a_real_daemon(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), top={"http": {"listen": f"unix:{scratch}/s"}}, pipeline={"confirm_interval": "50ms"},
                  sinks=[{"name": name, "plugin": "file", "directory": f"{scratch}/{name}"} for name in ("a", "b")])
    daemon.start()
    daemon.wait_streaming(db)

    def leat_(*words, code=0, says=""):
        done = command(*words, "-c", daemon.config)
        assert done.returncode == code and says in done.stdout + done.stderr, done
        return done

    def lines(name, count):
        return wait.until(lambda: len(daemon.lines(scratch / name)) >= count, f"{count} records in {name}")
    leat_("pause", says="p: paused")
    leat_("status", code=1, says="paused")
    leat_("resume", says="p: running")
    db.execute("INSERT INTO t VALUES (1)")
    lines("a", 1)
    lines("b", 1)
    leat_("pause", "--sink", "b", says="p/b: paused")
    db.execute("INSERT INTO t VALUES (2)")
    lines("a", 2)
    assert len(daemon.lines(scratch / "b")) == 1
    leat_("resume", "--sink", "b", says="p/b: running")
    lines("b", 2)
    leat_("drop", "--sink", "b", says="p/b: dropped")
    leat_("drop", "--sink", "a", code=65, says="last sink")
    code = command("doctor", "-c", daemon.config)
    assert "leat resume" in code.stdout and "dropped" in code.stdout, code
    db.execute("INSERT INTO t VALUES (3)")
    lines("a", 3)
    lsn = db.lsn()
    wait.until(lambda: db.caught_up("leat", lsn), "the confirmation to go on without b")
    leat_("resume", "--sink", "b", code=65, says="leat resume --pipeline p --sink b --accept-gap")
    leat_("resume", "--sink", "b", "--accept-gap", says="p/b: running")
    db.execute("INSERT INTO t VALUES (4)")
    lines("b", 3)
    lines("a", 4)
    assert [json.loads(line)["key"]["id"] for line in daemon.lines(scratch / "b")] == [1, 2, 4]
    assert [json.loads(line)["key"]["id"] for line in daemon.lines(scratch / "a")] == [1, 2, 3, 4]


def test_reload_with_a_real_daemon(shop, db, scratch):
    good = shop.config.read_text()
    shop.write_config(good.replace("memory:", "memmory:"))
    done = command("reload", "-c", shop.config)
    assert done.returncode == 78 and 'did you mean "memory"' in done.stderr, done
    shop.write_config(good + f'      - name: "more"\n        plugin: "file"\n        directory: "{scratch}/more"\n')
    done = command("reload", "-c", shop.config)
    assert done.returncode == 0 and "p" in done.stdout, done
    db.execute("INSERT INTO t VALUES (1)")
    wait.until(lambda: len(shop.lines(scratch / "more")) == 1, "the new sink's record")


def test_watch_on_a_terminal_stands_still_and_ends_cleanly(shop, db):
    ours, theirs = pty.openpty()
    process = subprocess.Popen([str(places.BUILD / "leat"), "status", "--watch", "0.1", "-c", str(shop.config)],
                               stdout=theirs, stderr=theirs, cwd="/")
    os.close(theirs)
    seen = b""
    while seen.count(b"\x1b[J") < 3:
        seen += os.read(ours, 65536)
    assert seen.count(b"\x1b[2J") == 1 and b"pipeline p: running" in seen
    assert shop.terminate() == 0
    while b"nobody answers" not in seen:  # it goes on: one watches for the daemon to come back
        seen += os.read(ours, 65536)
    shop.start()
    since = len(seen)
    while b"pipeline p: running" not in seen[since:]:
        seen += os.read(ours, 65536)
    process.send_signal(signal.SIGINT)
    seen = b""
    with contextlib.suppress(OSError):  # EIO: the last one with the terminal has ended
        while more := os.read(ours, 65536):
            seen += more
    assert process.wait(20) in (0, 1)
    assert seen.endswith(b"\x1b[?25h"), seen[-40:]
    os.close(ours)


def test_watch_into_a_pipe_has_no_control_characters(shop):
    process = subprocess.Popen([str(places.BUILD / "leat"), "status", "--watch=0.1", "-c", str(shop.config)],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")
    seen = ""
    while seen.count("pipeline p: running") < 3:
        seen += process.stdout.readline()
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", seen)
    process.stdout.close()  # its reader goes away
    assert process.wait(20) in (0, 1)
    process.stderr.close()


@pytest.mark.subset
@pytest.mark.parametrize("words", [["--watch", "0"], ["--watch=x"], ["5"], ["--socket", "/s", "-c", "/c"]])
def test_status_refuses_nonsense(words):
    assert command("status", *words).returncode == 64


def test_defaults_come_from_systemd(db, leat, scratch):
    """Neither state_directory nor http.listen is written: two instances of a unit do not meet."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemons = []
    for name in ("a", "b"):
        (scratch / name).mkdir(mode=0o700)
        daemon = leat(db.dsn(), slot=name, top={"http": None, "state_directory": None},
                      env={"STATE_DIRECTORY": f"{scratch}/{name}/state", "RUNTIME_DIRECTORY": f"{scratch}/{name}/run"})
        daemons.append(daemon.start())
    for name, daemon in zip("ab", daemons):
        daemon.wait_streaming(db, name)
        done = wait.until(lambda d=daemon: (lambda done: done if done.returncode == 0 else None)(
            command("status", "-c", d.config, env=d.env)), "the daemon to be ready")
        assert f"slot {name}" in done.stdout
        assert command("stop", "--wait", "-c", daemon.config, env=daemon.env).returncode == 0
        assert (scratch / name / "state" / "p.yaml").exists() or list((scratch / name / "state").glob("p*"))
