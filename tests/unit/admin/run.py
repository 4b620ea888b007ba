# SPDX-License-Identifier: Apache-2.0
"""Runs the daemon with fake plugins and asks its admin endpoint, one case a call.

Usage: run.py LEAT PLUGINS_D CASE
"""
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "integration"))
from leat_harness.places import free_port  # noqa: E402

LEAT, PLUGINS, CASE = sys.argv[1:4]
DIR = tempfile.mkdtemp(prefix="leat-admin-")
SOCKET = os.path.join(DIR, "run", "leat.sock")
LIMIT = 60  # seconds: a deadline, not a wait
started = []


def sink(name="sink", **options):
    return {"name": name, "plugin": "fake_sink", "log": os.path.join(DIR, name + ".log"),
            "retry_max": "200ms", **options}


def pipeline(name="p", sinks=None, **source):
    return {"name": name, "confirm_interval": "50ms",
            "source": {"plugin": "fake_source", "transactions": 500, "end": False, **source},
            "sinks": sinks or [sink()]}


def config(pipelines=None, listen=None, name="leat.yaml", **more):
    path = os.path.join(DIR, name)
    with open(path, "w") as out:
        json.dump({"state_directory": os.path.join(DIR, "state-" + name), "plugins": PLUGINS,
                   "memory": "32MiB", "http": {"listen": listen or ["unix:" + SOCKET]},
                   "pipelines": pipelines or [pipeline()], **more}, out)
    return path


def start(path, **environment):
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", LEAT, "run", "-c", path], stderr=subprocess.PIPE,
                               env={**os.environ, **environment})
    started.append(process)
    return process


def until(what, probe):
    """Looks again and again until the probe gives something true."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        result = probe()
        if result:
            return result
        select.select([], [], [], 0.02)
    shown = ask("/status")[1] if os.path.exists(SOCKET) else "no answer"
    sys.exit(f"never: {what}; {shown}")


def wait_for_line(process, text):
    seen, deadline = "", time.monotonic() + LIMIT
    while text not in seen:
        ready, _, _ = select.select([process.stderr], [], [], max(0, deadline - time.monotonic()))
        chunk = os.read(process.stderr.fileno(), 65536).decode() if ready else ""
        if not chunk:
            sys.exit(f"never said {text!r}:\n{seen[-3000:]}")
        seen += chunk
    return seen


def has_begun():
    try:
        return "starting" not in ask("/readyz")[1]
    except OSError:  # nobody there yet, or a dead one's socket
        return False


def serve(pipelines=None, listen=None, **more):
    process = start(config(pipelines, listen, **more))
    until("a beginning", lambda: process.poll() is not None or has_begun())
    if process.poll() is not None:
        sys.exit("died: " + process.stderr.read().decode())
    return process


def stop(process, expect=0):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)
    if process.returncode != expect:
        sys.exit(f"exit {process.returncode}, expected {expect}:\n{err.decode()[-3000:]}")
    return err.decode()


class Local(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(LIMIT)
        self.sock.connect(SOCKET)


def ask(path, method="GET", tcp=None, headers=None, body=None, timeout=LIMIT):
    connection = http.client.HTTPConnection("127.0.0.1", tcp, timeout=timeout) if tcp else Local("localhost")
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def status():
    return json.loads(ask("/status")[1])


def parse_metrics(text):
    """The text format, strictly: HELP and TYPE first, families together, numbers that are numbers."""
    values, types, current = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in types and len(line.split(" ", 3)[3]) > 5, line
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name == current, line
            types[name] = kind
            assert (kind == "counter") == name.endswith("_total"), line
        else:
            found = re.fullmatch(r'([a-z_]+)(\{([a-z]+="[^"\\]*",?)*\})? ([0-9.eE+-]+)', line)
            assert found, line
            name = found[1]
            if types[current] == "histogram":
                assert re.fullmatch(current + "_(bucket|sum|count)", name), line
            else:
                assert name == current, line
            assert (name, found[2]) not in values, line
            values[name, found[2]] = float(found[4])
    return values, types


def case_answers():
    process = serve([pipeline(sinks=[sink("a"), sink("b")]), pipeline("q", sinks=[sink("c")])])
    until("all records", lambda: status()["pipelines"][0]["sinks"][1]["records"] == 5000)
    until("confirmed", lambda: status()["pipelines"][0]["positions"]["unconfirmed_bytes"] == 0)
    code, text, headers = ask("/status")
    assert code == 200 and headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    whole = json.loads(text)
    p = whole["pipelines"][0]
    assert whole["ready"] and p["state"] == "running" and p["source"]["state"] == "streaming", text
    assert p["source"]["changes"] == 5000 and p["source"]["namespace"] == "fake", text
    assert p["positions"]["durable"] == p["positions"]["recorded"] == "0/7A12A", text
    assert p["window_batches"] == 0 and p["sinks"][0]["oldest_unacknowledged_ms"] == 0, text
    assert p["sinks"][0]["latency_ms"]["delivered"]["count"] > 0, text
    assert ask("/readyz")[:2] == (200, "ok\n") and ask("/livez")[:2] == (200, "ok\n")
    code, text, headers = ask("/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    values, types = parse_metrics(text)
    assert values["leat_sink_records_total", '{pipeline="p",sink="b"}'] == 5000
    assert values["leat_sink_up", '{pipeline="q",sink="c"}'] == 1 and values["leat_ready", None] == 1
    assert values["leat_source_changes_total", '{pipeline="p"}'] == 5000
    for name, kind in types.items():
        if kind == "histogram" and name.startswith("leat_sink"):
            labels = '{pipeline="p",sink="a"'
            buckets = [v for (n, l), v in values.items() if n == name + "_bucket" and l.startswith(labels)]
            assert buckets == sorted(buckets) and len(buckets) == 19, name
            assert buckets[-1] == values[name + "_count", labels + "}"], name
    if shutil.which("promtool"):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        assert lint.returncode == 0 and not lint.stderr, lint.stderr
    code, text, _ = ask("/metrics", "HEAD")
    assert code == 200 and text == ""
    assert ask("/nothing")[0] == 404 and ask("/status", "DELETE")[0] == 405
    assert ask("/status", "POST")[0] == 404
    assert stat.S_IMODE(os.stat(SOCKET).st_mode) == 0o660
    stop(process)
    assert not os.path.exists(SOCKET), "the socket is left behind"


def case_hold():
    """Why nothing is confirmed although all is acknowledged: one of the sinks asks for it."""
    process = serve([pipeline(sinks=[sink("a", hold="10m"), sink("b")])])
    until("all records", lambda: status()["pipelines"][0]["sinks"][0]["records"] == 5000)
    p = status()["pipelines"][0]
    assert [s["hold_ms"] for s in p["sinks"]] == [600000, 0] and p["positions"]["unconfirmed_bytes"] > 0, p
    assert "what it acknowledges is confirmed 10 min later" in ask("/status.txt")[1]
    values, _ = parse_metrics(ask("/metrics")[1])
    held = {labels: value for (name, labels), value in values.items() if name == "leat_sink_confirm_hold_seconds"}
    assert sorted(held.values()) == [0, 600], held
    stop(process)


def case_not_ready():
    process = serve([pipeline(sinks=[sink("a"), sink("b", mode="down", every=1)])], shutdown_timeout="300ms")
    until("b alone to be not ready", lambda: (lambda r: r[0] == 503 and "sink b is" in r[1] and "sink a" not in r[1])(ask("/readyz")))
    b = until("the error", lambda: (lambda s: s if s["last_error"] else None)(status()["pipelines"][0]["sinks"][1]))
    assert "went down as told" in b["last_error"]["text"] and re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", b["last_error"]["time"]), b
    until("not ready in /status", lambda: not status()["ready"])  # it comes up for a moment at each try
    until("not ready in /metrics", lambda: parse_metrics(ask("/metrics")[1])[0]["leat_ready", None] == 0)
    assert ask("/livez")[0] == 200
    stop(process)
    process = serve([pipeline(sinks=[sink("c", mode="never", stall_warning="1s")])], shutdown_timeout="100ms")
    # The pipeline may be seen to stand a moment before the sink is.
    code, text, _ = until("stalled", lambda: (lambda r: r if "sink c makes no progress" in r[1] else None)(ask("/readyz")))
    assert code == 503 and "acknowledgement" in text, text
    stop(process)


def case_recovers():
    """A sink that falls again and again is ready again once it is through."""
    process = serve([pipeline(sinks=[sink("a", mode="down", every=200)], transactions=3000, burst=20)])
    until("a fall", lambda: status()["pipelines"][0]["sinks"][0]["retries"] > 0)
    until("ready", lambda: ask("/readyz")[0] == 200)
    until("all records", lambda: status()["pipelines"][0]["sinks"][0]["records"] >= 30000)
    stop(process)


MALFORMED = [
    b"\r\n\r\n", b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 4096,
    b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 60000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"GET /%00%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /status?" + b"a&" * 3000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /loglevel?level=verbose HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /shutdown HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /shutdown HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" + b"z" * 100000,
    b"POST /shutdown HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /pipelines//drain HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /pipelines/p HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /pipelines/" + b"p" * 9000 + b"/drain HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /status HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


def case_malformed():
    process = serve()
    for request in MALFORMED:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT)
            client.connect(SOCKET)
            try:
                client.sendall(request)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65536)
            except OSError:  # it hung up while we were talking
                answer = b""
        assert not answer or b" 4" in answer[:12] or b" 5" in answer[:12] or request.startswith(b"GET /status?"), (request[:60], answer[:60])
        assert ask("/livez")[0] == 200, request[:60]
    assert not status()["stopping"] and status()["log_level"] == "info"
    until("all records", lambda: status()["pipelines"][0]["sinks"][0]["records"] == 5000)
    stop(process)


def case_half_open():
    """200 clients that begin a request and say no more: the unix socket answers at once, and TCP
    again when their time is over."""
    port = free_port()
    process = serve([pipeline(transactions=5000, burst=50)], ["unix:" + SOCKET, f"127.0.0.1:{port}"])
    clients = []
    for _ in range(200):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))  # those that find no place wait in the kernel
        clients.append(client)
    until("connected", lambda: len(select.select([], clients, [], 0)[1]) >= 100)
    for client in select.select([], clients, [], 0)[1]:
        try:
            client.sendall(b"GET /status HTTP/1.1\r\nHost: local")
        except OSError:  # cut off already
            pass
    took = []
    for _ in range(20):
        began = time.monotonic()
        assert ask("/status")[0] == 200
        took.append(time.monotonic() - began)
    assert sorted(took)[15] < 2, took  # the machine may stand still now and then
    until("all records", lambda: status()["pipelines"][0]["sinks"][0]["records"] == 50000)

    def tcp():
        try:
            return ask("/livez", tcp=port, timeout=3)[0] == 200
        except (OSError, http.client.HTTPException):
            return False
    until("an answer over TCP", tcp)
    for client in clients:
        client.close()
    stop(process)


def case_trickle():
    """A client that never idles, and never comes to the end, is cut off."""
    process = serve()
    client = socket.socket(socket.AF_UNIX)
    client.connect(SOCKET)
    client.sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n")
    began = time.monotonic()

    def cut():
        try:
            client.sendall(b"X")
        except OSError:
            return True
        ready, _, _ = select.select([client], [], [], 0.2)
        return bool(ready)
    until("cut off", cut)
    assert time.monotonic() - began > 5, time.monotonic() - began
    assert ask("/livez")[0] == 200
    stop(process)


def case_secrets():
    """What a file or variable brought into an option, and what rows hold, is in no answer."""
    marker = "s3cr3t-mark3r"
    os.makedirs(os.path.join(DIR, marker))
    with open(os.path.join(DIR, "secret"), "w") as out:
        out.write(os.path.join(DIR, marker, "sink.log") + "\n")
    process = serve([pipeline(sinks=[sink("a", log="${file:secret}"), sink("b", mode="fail", every=5)])])
    until("a failure", lambda: status()["pipelines"][0]["sinks"][1]["last_error"])
    whole = "".join(ask(path)[1] for path in ("/", "/livez", "/readyz", "/status", "/status.txt", "/metrics", "/x"))
    whole += stop(process)
    assert marker not in whole and "x" * 20 not in whole
    assert os.path.getsize(os.path.join(DIR, marker, "sink.log")) > 0, "the option was not used"


def case_sockets():
    # One that a dead daemon left is replaced.
    process = serve()
    process.kill()
    process.communicate()
    assert os.path.exists(SOCKET)
    process = serve()
    # One that somebody answers on is not; nor is anything else that lies there.
    other = start(config(name="other.yaml"))
    assert "another daemon answers there" in stop_failed(other)
    assert ask("/livez")[0] == 200
    plain = os.path.join(DIR, "plain")
    with open(plain, "w") as out:
        out.write("mine")
    assert "File exists" in stop_failed(start(config(listen="unix:" + plain, name="plain.yaml")))
    with open(plain) as text:
        assert text.read() == "mine"
    assert "its folder cannot be used" in stop_failed(start(config(listen="unix:/proc/none/x.sock", name="no.yaml")))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot listen" in stop_failed(
            start(config(listen=f"127.0.0.1:{taken.getsockname()[1]}", name="tcp.yaml")))
    stop(process)


def stop_failed(process):
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 73, (process.returncode, err)
    return err.decode()


def case_commands():
    port = free_port()
    process = serve(listen=["unix:" + SOCKET, f"127.0.0.1:{port}"])
    for path in ("/shutdown", "/loglevel?level=debug", "/pipelines/p/drain"):
        code, text, headers = ask(path, "POST", tcp=port)
        assert code == 405 and "unix socket" in text and headers["Allow"] == "GET, HEAD", (path, code, text)
    assert ask("/status", tcp=port)[0] == 200
    assert ask("/status", tcp=port, headers={"Host": "evil.example"})[0] == 421
    assert ask("/status", tcp=port, headers={"Host": f"localhost:{port}"})[0] == 200
    code, text, _ = ask("/loglevel?level=debug", "POST")
    assert code == 200 and json.loads(text) == {"ok": True, "level": "debug"} and status()["log_level"] == "debug"
    assert ask("/loglevel", "POST")[0] == 400 and ask("/pipelines/x/drain", "POST")[0] == 404
    assert ask("/shutdown", "POST", headers={"Content-Length": "1"})[0] == 413 and process.poll() is None
    assert ask("/shutdown", "POST")[0] == 202
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and b"stopping by command" in err, err


def case_drain():
    """A drained pipeline has delivered and recorded all that it took; the other one goes on."""
    process = serve([pipeline("p", sinks=[sink("a", delay_us=200)], transactions=100000, burst=20),
                     pipeline("q", sinks=[sink("b", delay_us=200)], transactions=100000, burst=20)])
    until("records", lambda: status()["pipelines"][0]["sinks"][0]["records"] > 1000)
    assert ask("/pipelines/p/drain", "POST")[0] in (200, 202)
    until("drained", lambda: status()["pipelines"][0]["state"] == "drained")
    with open(os.path.join(DIR, "a.log")) as lines:
        records = [tuple(int(x) for x in line.split()[:2]) for line in lines]
    assert len(set(records)) == len(records), "doubled"
    before = status()["pipelines"][1]["sinks"][0]["records"]
    until("q goes on", lambda: status()["pipelines"][1]["sinks"][0]["records"] > before + 1000)
    code, text, _ = ask("/readyz")
    assert code == 503 and "pipeline p: drained by command" in text and process.poll() is None, text
    done = len(records)
    assert json.loads(ask("/pipelines/p/resume", "POST")[1])["state"] == "running"
    until("p goes on", lambda: status()["pipelines"][0]["sinks"][0]["records"] > done + 1000)
    stop(process)


def case_status_command():
    path = config([pipeline(sinks=[sink("a")])])
    process = serve([pipeline(sinks=[sink("a")])])
    until("ready", lambda: ask("/readyz")[0] == 200)

    def leat(*arguments):
        done = subprocess.run([LEAT, "status", *arguments], capture_output=True, text=True, timeout=LIMIT)
        return done.returncode, done.stdout, done.stderr
    for arguments in (("-c", path), ("--socket", SOCKET)):
        code, out, _ = leat(*arguments)
        assert code == 0 and "pipeline p: running" in out and re.search("sink a +running", out), out
    code, out, _ = leat("--socket", SOCKET, "--json")
    assert code == 0 and json.loads(out)["pipelines"][0]["name"] == "p"
    watch = subprocess.Popen([LEAT, "status", "--socket", SOCKET, "--watch"], stdout=subprocess.PIPE)
    started.append(watch)
    text = b""
    while text.count(b"pipeline p") < 2:
        chunk = os.read(watch.stdout.fileno(), 65536)
        assert chunk, text
        text += chunk
    stop(process)
    assert watch.wait(timeout=LIMIT) == 69
    code, _, err = leat("--socket", SOCKET)
    assert code == 69 and "no daemon answers" in err, err
    assert leat("-c", path, "--socket", SOCKET)[0] == 64 and leat("extra")[0] == 64
    # Whoever answers there need not be leat.
    for answer in (b"", b"garbage\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 No\r\n\r\nx", b"x" * 20_000_000):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(SOCKET)
            server.listen()
            child = subprocess.Popen([LEAT, "status", "--socket", SOCKET], stderr=subprocess.PIPE)
            client, _ = server.accept()
            client.recv(65536)
            try:
                client.sendall(answer)
            except OSError:
                pass
            client.close()
            child.communicate(timeout=LIMIT)
            assert child.returncode == 69, (answer[:20], child.returncode)
        os.unlink(SOCKET)
    process = serve([pipeline("q", sinks=[sink("b", mode="down", every=1)])], shutdown_timeout="300ms")
    until("not ready", lambda: ask("/readyz")[0] == 503)
    # It comes up for a moment before each fall.
    out = until("not ready", lambda: (lambda done: done[1] if done[0] == 1 else None)(leat("--socket", SOCKET)))
    assert "NOT READY" in out, out
    stop(process)


STAGES = [("leat_source_%s_latency_seconds", "p", ("received", "decoded", "confirmed")),
          ("leat_sink_%s_latency_seconds", 'p",sink="a', ("queued", "encoded", "submitted", "durable"))]


def case_metrics():
    """Every stage of a batch's way is measured, tables and operations are counted, plugins' own figures are there, and
    nobody who checks metrics has anything to say."""
    process = serve([pipeline(sinks=[sink("a", certificate=4102444800), sink("b")], timed=True)], metrics={"tables": 1})
    until("confirmed", lambda: status()["pipelines"][0]["sinks"][1]["records"] == 5000
          and status()["pipelines"][0]["positions"]["unconfirmed_bytes"] == 0)
    text = ask("/metrics")[1]
    values, types = parse_metrics(text)
    for name, labels, stages in STAGES:
        for stage in stages:
            count = values[name % stage + "_count", '{pipeline="%s"}' % labels]
            assert count > 0, stage
    source = status()["pipelines"][0]["source"]
    assert sum(table["changes"] for table in source["tables"]) == 5000 == sum(source["operations"].values()), source
    assert sum(value for (name, _), value in values.items() if name == "leat_table_changes_total") == 5000
    assert sum(value for (name, _), value in values.items() if name == "leat_table_bytes_total") > 0
    assert sum(value for (name, _), value in values.items() if name == "leat_source_operations_total") == 5000
    ends = {labels: value for (name, labels), value in values.items()
            if name == "leat_sink_tls_certificate_expiry_timestamp_seconds"}
    assert ends == {'{pipeline="p",sink="a",certificate="server"}': 4102444800}, ends
    given = [value for (name, _), value in values.items() if name == "leat_sink_fake_given_back_total"]
    assert len(given) == 2 and all(value > 0 for value in given), given
    assert types["leat_sink_fake_given_back_total"] == "counter"
    assert {"name": "fake_given_back_total", "value": given[0]} in status()["pipelines"][0]["sinks"][0]["metrics"]
    assert values["leat_pipeline_state", '{pipeline="p",state="running"}'] == 1
    assert values["leat_sink_state", '{pipeline="p",sink="a",state="running"}'] == 1
    for name in ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds", "process_threads"):
        assert values[name, None] > 0, name
    # Of several: a machine may stand still in one.
    until("a quick copy", lambda: parse_metrics(ask("/metrics")[1])[0]["leat_scrape_copy_seconds", None] < 0.1)
    if shutil.which("promtool"):
        lint = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
        assert lint.returncode == 0 and not lint.stdout and not lint.stderr, lint.stdout + lint.stderr
    else:
        print("promtool is not there: its check is left out")
    stop(process)


def case_log_lines():
    """Levels of components, by file and by command; figures in the log; repeats that nothing follows are told of; JSON."""
    whole = {"level": "warn", "levels": {"a": "info", "core": "info"}, "metrics": "1s", "format": "json"}
    process = start(config([pipeline(sinks=[sink("a"), sink("b", mode="fail", every=3)], transactions=20000, burst=5)],
                           log=whole))
    until("a beginning", has_begun)
    assert status()["log_level"] == "warn" and status()["log_levels"] == {"a": "info", "core": "info"}
    for query in ("component=p/b&level=error", "component=source&level=info"):
        assert ask("/loglevel?" + query, "POST")[0] == 200, query
    assert status()["log_levels"]["p/b"] == "error"
    for query in ("component=nobody&level=info", "component=a", "level=default", "component=a&level=loud", ""):
        assert ask("/loglevel?" + query, "POST")[0] in (400, 404), query
    assert ask("/loglevel?component=p/b&level=default", "POST")[0] == 200
    assert "p/b" not in status()["log_levels"]
    seen = wait_for_line(process, '"instance":"source","state"')
    seen += wait_for_line(process, "the same again")
    seen += stop(process)
    lines = [json.loads(line) for line in seen.splitlines()]
    figures = [line for line in lines if line["message"] == "figures"]
    assert {line.get("instance") for line in figures} == {None, "a", "source"}, figures
    assert all(line["records"] >= 0 and line["state"] for line in figures if line.get("instance") == "a")
    assert any(line["resident_bytes"] > 0 for line in figures if "instance" not in line)
    again = [line for line in lines if line["message"] == "the same again"]
    assert again[0]["instance"] == "b" and again[0]["repeats"] > 0 and again[0]["of"], again
    for levels, words in (({"nobody": "info"}, "no component"), ({"a": "loud"}, "is no level")):
        done = subprocess.run([LEAT, "check", "--offline", "-c", config([pipeline(sinks=[sink("a")])], name="bad.yaml",
                                                                       log={"levels": levels})],
                              capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 78 and words in done.stdout + done.stderr, done


def case_systemd():
    path = os.path.join(DIR, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(LIMIT)
        process = start(config([pipeline(sinks=[sink("a", mode="never")])], shutdown_timeout="2s"),
                        NOTIFY_SOCKET=path, WATCHDOG_USEC="800000")
        assert manager.recv(4096).startswith(b"READY=1\n")
        seen = []
        while seen.count(b"WATCHDOG=1") < 8:  # everything sleeps: it is fed because the threads wake when asked
            seen.append(manager.recv(4096))
            assert seen[-1] == b"WATCHDOG=1" or seen[-1].startswith(b"STATUS="), seen
        process.send_signal(signal.SIGTERM)
        seen = []
        while b"EXTEND_TIMEOUT_USEC=10000000" not in seen:
            seen.append(manager.recv(4096))
        assert any(x.startswith(b"STOPPING=1\n") for x in seen), seen
        process.communicate(timeout=LIMIT)
        assert process.returncode == 0


def case_page():
    process = serve()
    code, text, headers = ask("/")
    policy = headers["Content-Security-Policy"]
    nonce = re.search("script-src 'nonce-([0-9a-f]{32})'", policy)[1]
    assert code == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert text.count(f'nonce="{nonce}"') == 2 and "NONCE" not in text
    assert not re.search(r'(src|href)="(?!data:,")', text) and "@import" not in text and "url(" not in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), "an outside resource"
    assert "innerHTML" not in text and "prefers-color-scheme: dark" in text
    assert re.search("nonce-([0-9a-f]{32})", ask("/")[2]["Content-Security-Policy"])[1] != nonce
    stop(process)


try:
    globals()["case_" + CASE]()
finally:
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(DIR, ignore_errors=True)
