# SPDX-License-Identifier: Apache-2.0
"""Runs the daemon with fake plugins and changes it while records flow, one case a call: commands, reloads, signals.
Each case ends by looking whether every sink got what it should have, once and in order.

Usage: change.py LEAT PLUGINS_D CASE
A case isolated_X is the case X with each sink in a process of its own.
"""
import http.client
import json
import os
import random
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LEAT, PLUGINS, CASE = sys.argv[1:4]
DIR = tempfile.mkdtemp(prefix="leat-change-")
SOCKET = os.path.join(DIR, "leat.sock")
CONFIG = os.path.join(DIR, "leat.yaml")
LIMIT = 100  # seconds: a deadline, not a wait
TRANSACTIONS, ROWS = 6000, 10
started = []


# ---- the daemon ---------------------------------------------------------------------------------

def sink(name="a", **options):
    return {"name": name, "plugin": "fake_sink", "log": os.path.join(DIR, name + ".log"), "retry_max": "200ms",
            "delay_us": 300, "lent": 2, **({"isolate": True} if CASE.startswith("isolated_") else {}), **options}


def pipeline(name="p", sinks=None, **source):
    return {"name": name, "confirm_interval": "20ms", "batch": {"max_delay": "5ms"},
            "source": {"plugin": "fake_source", "transactions": TRANSACTIONS, "rows": ROWS, "burst": 20, "end": False,
                       **source},
            "sinks": sinks or [sink()]}


def write(*pipelines, **more):
    document = {"state_directory": os.path.join(DIR, "state"), "plugins": PLUGINS, "memory": "64MiB",
                "http": {"listen": "unix:" + SOCKET}, "shutdown_timeout": "10s", **more,
                "pipelines": list(pipelines) or [pipeline()]}
    with open(CONFIG + ".new", "w") as out:
        json.dump(document, out, indent=1)
    os.chmod(CONFIG + ".new", 0o600)
    os.rename(CONFIG + ".new", CONFIG)


def serve(may_end=False, **environment):
    errors = open(os.path.join(DIR, "stderr"), "ab")
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", LEAT, "run", "-c", CONFIG], stderr=errors, env={**os.environ, **environment})
    started.append(process)
    until("a beginning", lambda: process.poll() is not None or begun(), may_end=may_end)
    if process.poll() is not None and not may_end:
        sys.exit("died: " + said())
    return process


def begun():
    try:
        return "starting" not in ask("/readyz")[1]
    except OSError:
        return False


def says(why):
    try:
        return ask("/readyz")[1].startswith(why)
    except OSError:
        return False


def said():
    with open(os.path.join(DIR, "stderr"), errors="replace") as text:
        return text.read()


def until(what, probe, limit=LIMIT, may_end=False):
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if not may_end and started and started[-1].poll() not in (None, 0):
            sys.exit(f"exit {started[-1].returncode} before {what}:\n{said()[-3000:]}")
        result = probe()
        if result:
            return result
        select.select([], [], [], 0.01)  # between two looks
    sys.exit(f"never: {what}\n{said()[-3000:]}")


def ask(path, method="GET"):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(LIMIT)
    try:
        connection.sock.connect(SOCKET)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def post(path, expect=200):
    before = reloads()
    code, text = ask(path, "POST")
    answer = json.loads(text)
    if code == 202 and answer["state"] == "reloading":  # it takes longer than an answer may: a busy machine
        until("an end of the reload", lambda: reloads() > before)
        last = json.loads(ask("/status")[1])["reload"]
        code, answer = (200, {"ok": True, "message": last["text"]}) if last["last"] == "done" else \
            (409, {"error": last["text"]})
    if code != expect or ("ok" in answer) == ("error" in answer) or answer.get("ok") not in (None, True):
        sys.exit(f"POST {path}: {code} {text}\n{said()[-3000:]}")
    return answer


def reloads():
    """How many have ended, well or not."""
    last = json.loads(ask("/status")[1])["reload"]
    return last["done"] + last["refused"]


def status(pipeline="p"):
    return next(x for x in json.loads(ask("/status")[1])["pipelines"] if x["name"] == pipeline)


def sink_status(name="a", pipeline="p"):
    return next(x for x in status(pipeline)["sinks"] if x["name"] == name)


def stop(process, expect=0):
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        sys.exit("did not end:\n" + said()[-3000:])
    if process.returncode != expect:
        sys.exit(f"exit {process.returncode}, expected {expect}:\n{said()[-3000:]}")


# ---- what the sinks got -------------------------------------------------------------------------

def got(name="a"):
    try:
        with open(os.path.join(DIR, name + ".log")) as lines:
            return [tuple(int(x) for x in line.split()[:2]) for line in lines if line.endswith("\n")]
    except FileNotFoundError:
        return []


def size(name="a"):
    try:
        return os.path.getsize(os.path.join(DIR, name + ".log"))
    except FileNotFoundError:
        return 0


def moves(name="a", by=2000, or_until=lambda: False):
    """Waits until the sink has written more, or has everything."""
    before = size(name)
    until(f"{name} to move",
          lambda: size(name) >= before + by or len(set(got(name))) >= len(everything()) or or_until())


def full():
    """The pipeline's memory is lent whole: while one sink stands, the others get no further than this."""
    return status()["pool_used_bytes"] == status()["pool_bytes"]


def everything(transactions=TRANSACTIONS, rows=ROWS):
    return [((t + 1) * 1000, r) for t in range(transactions) for r in range(rows)]


def all_there(*names):
    until("the end of the stream in " + ", ".join(names), lambda: all(got(n)[-1:] == [everything()[-1]] for n in names), 60)


def same(name, wanted, ordered=True):
    actual = got(name)
    if not ordered:
        actual = sorted(actual)
    if actual != wanted:
        lost, doubled = set(wanted) - set(actual), len(actual) - len(set(actual))
        sys.exit(f"sink {name}: {len(actual)} records of {len(wanted)}: {len(lost)} lost {sorted(lost)[:3]}, {doubled} "
                 f"doubled, {len(set(actual) - set(wanted))} never asked for\n{said()[-3000:]}")


def complete(*names, ordered=True):
    for name in names:
        same(name, everything(), ordered)


def stands(name="a", seconds=0.3):
    """Nothing more is written: a property of time, so time is watched."""
    before, end = size(name), time.monotonic() + seconds
    while time.monotonic() < end:
        select.select([], [], [], 0.02)
        if size(name) != before:
            sys.exit(f"{name} goes on")


# ---- commands -----------------------------------------------------------------------------------

def case_pause():
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    for _ in range(5):
        moves()
        assert post("/pipelines/p/pause")["state"] == "paused"
        until("all is delivered", lambda: status()["window_batches"] == 0)
        stands()
        assert status()["state"] == "paused" and "paused by command" in ask("/readyz")[1]
        assert got("a") == got("b")
        assert post("/pipelines/p/resume")["state"] == "running"
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def case_pause_sink():
    """The others go on up to the memory; then everything stands; nothing is lost by any of it."""
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    moves("b")
    post("/pipelines/p/sinks/b/pause")
    until("b stands", lambda: sink_status("b")["state"] == "paused" and sink_status("b")["lent_parts"] == 0)
    moves("a", 20000)
    stands("b")
    assert "sink b is paused" in ask("/readyz")[1]
    post("/pipelines/p/sinks/b/resume")
    until("b has caught up", lambda: sink_status("b")["waiting_batches"] < 10)
    post("/pipelines/p/sinks/b/pause")
    post("/pipelines/p/sinks/x/pause", expect=404)
    moves("a")
    stop(process)  # nobody waits for a sink that was told to stand still
    process = serve()
    assert sink_status("b")["state"] != "paused"
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def case_drain():
    write(pipeline(sinks=[sink("a", delay_us=2000), sink("b", hold="10m")]))
    process = serve()
    for _ in range(3):
        moves()
        assert post("/pipelines/p/drain")["state"] == "drained"
        assert status()["state"] == "drained" and status()["window_batches"] == 0
        assert got("a") == got("b")
        stands()
        post("/pipelines/p/resume")
    post("/pipelines/p/drain")
    stop(process)
    assert got("a") == got("b")
    same("a", everything()[:len(got("a"))])


def case_drop():
    """A sink that never answers holds everything back until it is dropped; it stays dropped over a restart."""
    write(pipeline(sinks=[sink("a"), sink("b", mode="never"), sink("c")]))
    process = serve()
    until("everything waits for b", lambda: status()["pool_used_bytes"] > 0 and sink_status("b")["lent_parts"] > 0)
    assert status()["positions"]["recorded"] in (None, "0/0", "0/5"), status()["positions"]
    assert post("/pipelines/p/sinks/b/drop")["state"] == "dropped"
    assert post("/pipelines/p/sinks/b/drop")["state"] == "dropped"
    post("/pipelines/p/sinks/b/pause", expect=409)
    all_there("a", "c")
    until("it is confirmed", lambda: status()["positions"]["recorded"] == "0/5B8D8A")
    assert "sink b is dropped" in ask("/readyz")[1]
    answer = post("/pipelines/p/sinks/b/resume", expect=409)
    assert "accept_gap=true" in answer["error"] and "0/5B8D80 seq 9" in answer["error"], answer
    post("/pipelines/p/sinks/a/drop")
    assert "last sink" in post("/pipelines/p/sinks/c/drop", expect=409)["error"]
    stop(process)
    assert "dropped: true" in open(os.path.join(DIR, "state", "p.state")).read()
    process = serve()
    assert sink_status("b")["state"] == "dropped" and sink_status("a")["state"] == "dropped"
    # What a has is all that was confirmed: no gap.
    assert post("/pipelines/p/sinks/a/resume")["state"] == "running"
    until("a takes part", lambda: sink_status("a")["state"] == "running")
    post("/pipelines/p/sinks/b/resume?accept_gap=maybe", expect=400)
    post("/pipelines/p/sinks/b/resume?accept_gap=true")
    until("b takes part", lambda: sink_status("b")["state"] == "running")
    until("it is recorded", lambda: "dropped: true" not in open(os.path.join(DIR, "state", "p.state")).read())
    stop(process)
    complete("a", "c")
    assert got("b") == []


def case_gap():
    """Dropped and taken back with a gap while records flow: one gap, nothing twice, and no false alarm later."""
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    moves("b")
    post("/pipelines/p/sinks/b/drop")
    until("b is dropped", lambda: sink_status("b")["state"] == "dropped")
    had = got("b")
    moves("a", 20000)
    post("/pipelines/p/sinks/b/resume", expect=409)
    post("/pipelines/p/sinks/b/resume?accept_gap=true")
    moves("b")
    process.kill()
    process.wait()
    process = serve()
    all_there("a", "b")
    stop(process)
    complete("a")
    all_b = got("b")
    rest = all_b[len(had):]
    assert all_b[:len(had)] == had and had == everything()[:len(had)]
    assert rest and rest == everything()[-len(rest):] and len(had) + len(rest) < len(everything())


def case_guard():
    """The source asks for it: leat.guard/1."""
    write(pipeline(sinks=[sink("a"), sink("b", mode="never")], guard=True))
    process = serve()
    all_there("a")
    assert sink_status("b")["state"] == "dropped" and "sink dropped" in said() and "as told" in said()
    stop(process)
    complete("a")


# ---- reload -------------------------------------------------------------------------------------

def case_reload_same():
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    moves()
    for _ in range(20):
        assert "no source and no sink changed" in post("/reload")["message"]
    assert sink_status("a")["starts"] == 1 and status()["source"]["connections"] == 1
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def reload_sinks(ordered=True, times=8, **options):
    """One sink changes again and again; the other one and the source never notice."""
    write(pipeline(sinks=[sink("a", **options), sink("b")]))
    process = serve()
    for turn in range(times):
        moves("a", 500)
        write(pipeline(sinks=[sink("a", **{**options, "delay_us": 100 + turn}), sink("b")]))
        assert post("/reload")["message"] == "sinks restarted: p/a"
    assert sink_status("b")["starts"] == 1 and status()["source"]["connections"] == 1
    all_there("b")
    until("a has everything", lambda: len(got("a")) >= len(everything()))
    stop(process)
    complete("a", ordered=ordered)
    complete("b")


def case_reload_sinks():
    reload_sinks()


def case_reload_sinks_unknowing():
    """The sink cannot say what it holds: what the worker knew is what counts."""
    reload_sinks(holds=False)


def case_reload_sinks_out_of_order():
    reload_sinks(ordered=False, mode="out_of_order", holds=False, lent=16)


def case_reload_back_off():
    """While the sink is down or failing, as when somebody mends it by a new option."""
    reload_sinks(mode="down", every=100)
    os.remove(os.path.join(DIR, "a.log"))
    os.remove(os.path.join(DIR, "b.log"))
    shutil.rmtree(os.path.join(DIR, "state"))
    reload_sinks(mode="fail", every=60, holds=False)


def case_reload_lists():
    """Sinks come and go; what stays has everything, what comes begins at the confirmed position."""
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    moves()
    write(pipeline(sinks=[sink("a"), sink("b"), sink("c")]))
    assert "pipelines restarted: p" in post("/reload")["message"]
    moves("c")
    write(pipeline(sinks=[sink("c"), sink("a", lent=3)]))
    post("/reload")
    b = got("b")
    moves("c")
    write(pipeline(sinks=[sink("a", lent=3), sink("b"), sink("c")]))
    post("/reload")
    until("the warning", lambda: "sink is new here but holds older records" in said())
    all_there("a", "b", "c")
    stop(process)
    complete("a")
    c = got("c")
    assert c == everything()[-len(c):] and len(c) < len(everything())
    assert b == everything()[:len(b)] and got("b")[:len(b)] == b
    rest = got("b")[len(b):]
    assert rest == everything()[-len(rest):]


def case_reload_lists_unknowing():
    write(pipeline(sinks=[sink("a", holds=False), sink("b", mode="out_of_order", lent=16, holds=False)]))
    process = serve()
    for turn in range(6):
        moves("a", 500)
        more = [sink("c")] if turn % 2 == 0 else []
        write(pipeline(sinks=[sink("a", holds=False), sink("b", mode="out_of_order", lent=16, holds=False), *more]))
        post("/reload")
    all_there("a")
    until("b has everything", lambda: len(got("b")) >= len(everything()))
    stop(process)
    complete("a")
    complete("b", ordered=False)


def case_reload_remove_down():
    """A removed sink that cannot finish is waited for, then the reload is refused; or it is dropped, as told."""
    write(pipeline(sinks=[sink("a"), sink("b", mode="never")]), shutdown_timeout="1s")
    process = serve()
    until("b has something", lambda: sink_status("b")["lent_parts"] > 0)
    write(pipeline(sinks=[sink("a")]), shutdown_timeout="1s")
    answer = post("/reload", expect=409)
    assert answer["error"].startswith("p/b: it is gone from the configuration") and "removed=drop" in answer["error"], answer
    assert status()["state"] == "running" and len(status()["sinks"]) == 2
    post("/reload?removed=perhaps", expect=400)
    post("/reload?removed=drop")
    assert len(status()["sinks"]) == 1
    all_there("a")
    stop(process)
    complete("a")


def case_reload_source():
    """Another source, or another way to make batches, is another pipeline: from the confirmed position."""
    write(pipeline(sinks=[sink("a"), sink("b", holds=False)]))
    process = serve()
    for burst in (10, 40, 15):
        moves("a", 1000)
        write(pipeline(sinks=[sink("a"), sink("b", holds=False)], burst=burst))
        assert "pipelines restarted: p" in post("/reload")["message"]
    write(pipeline(sinks=[sink("a"), sink("b", holds=False)], burst=15), memory="32MiB")
    assert "pipelines restarted: p" in post("/reload")["message"]
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def case_reload_source_while_down():
    """Sinks that cannot finish do not stop it: what each has made durable is remembered."""
    sinks = [sink("a", holds=False), sink("b", mode="down", every=100), sink("c", holds=False, mode="fail", every=60)]
    write(pipeline(sinks=sinks))
    process = serve()
    for burst in (10, 40, 15):
        moves("a", 1000)
        post("/pipelines/p/sinks/a/pause")
        write(pipeline(sinks=sinks, burst=burst))
        post("/reload")
        assert sink_status("a")["state"] in ("paused", "waiting", "starting")
        post("/pipelines/p/sinks/a/resume")
    all_there("a", "b", "c")
    stop(process)
    complete("a", "b", "c")


def case_reload_pipelines():
    write(pipeline("p", [sink("a")]), pipeline("q", [sink("b")]))
    process = serve()
    moves("a")
    write(pipeline("p", [sink("a")]), pipeline("q", [sink("b")]), pipeline("r", [sink("c")]))
    changes = post("/reload")["message"]
    assert "pipelines added: r" in changes and "restarted: p, q" in changes, changes  # their memory is another
    moves("c")
    write(pipeline("r", [sink("c")]), pipeline("p", [sink("a", lent=4)]), memory="64MiB")
    assert "pipelines removed: q" in post("/reload")["message"]
    assert [x["name"] for x in json.loads(ask("/status")[1])["pipelines"]] == ["r", "p"]
    before = got("b")
    same("b", everything()[:len(before)])
    write(pipeline("q", [sink("b")]), pipeline("r", [sink("c")]), pipeline("p", [sink("a", lent=4)]))
    post("/reload")
    all_there("a", "b", "c")  # a pipeline that comes back goes on where it was
    stop(process)
    complete("a", "b", "c")


def case_reload_bad():
    """All that is wrong is said in the answer, the log and the status, and nothing changes."""
    write(pipeline(sinks=[sink("a")]))
    process = serve()
    moves()
    write(pipeline(sinks=[sink("a", lent=0), sink("b", mood="ok")]), memori="1MiB")
    error = post("/reload", expect=422)["error"]
    for part in ("lent", 'unknown option "mood"', 'did you mean "mode"', "memori", "leat.yaml:"):
        assert part in error, (part, error)
    document = json.loads(ask("/status")[1])
    assert document["reload"]["last"] == "refused" and "mood" in document["reload"]["text"], document["reload"]
    assert "reload refused" in said()
    assert "leat_config_reload_success 0" in ask("/metrics")[1]
    os.remove(CONFIG)
    assert "leat.yaml" in post("/reload", expect=422)["error"]
    for fixed in ({"state_directory": os.path.join(DIR, "other")}, {"mlock": True}, {"http": {"listen": "none"}}):
        write(pipeline(sinks=[sink("a", lent=5)]), **fixed)
        error = post("/reload", expect=422)["error"]
        assert "restart" in error and next(iter(fixed)) in error, error
    assert sink_status("a")["starts"] == 1
    write(pipeline(sinks=[sink("a", log=os.path.join(DIR, "none", "x.log"))]))
    assert post("/reload", expect=422)["error"].startswith("p/a: cannot open ")  # create said no: nothing has changed either
    if CASE.startswith("isolated_"):  # it dies, or hangs, in its create
        for how, words, patience in (("abort", "signal 6", "1m"), ("exit", "status 3", "1m"), ("hang", "did not answer for 1 s", "1s"),
                                     ("hang", "did not answer for 5000 ms", "1m")):  # the answer is promised within 8 s
            write(pipeline(sinks=[sink("a", in_create=how, isolate_timeout=patience)]))
            error = post("/reload", expect=422)["error"]
            assert error.startswith("p/a: ") and words in error and "before its create came back" in error, error
        write(pipeline(sinks=[sink("a"), sink("b", in_create="no")]))  # of a pipeline that would begin anew
        assert post("/reload", expect=422)["error"] == "p/b: in_create: no, as told"
    assert sink_status("a")["starts"] == 1 and not os.path.exists(os.path.join(DIR, "b.log"))
    write(pipeline(sinks=[sink("a", lent=5)]), log={"level": "debug", "format": "json"})
    post("/reload")
    assert json.loads(ask("/status")[1])["log_level"] == "debug"
    assert json.loads(said().splitlines()[-1])["level"]
    assert "leat_config_reload_success 1" in ask("/metrics")[1]
    all_there("a")
    stop(process)
    complete("a")


def case_reload_place():
    """Of two sinks with one plugin, the one that refuses its options is named, once, wherever a reload's refusal is seen."""
    wrong, text = {"in_create": "no"}, "in_create: no, as told"
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    moves()
    for new, place in (([pipeline(sinks=[sink("a"), sink("b", **wrong)])], "p/b"), ([pipeline(sinks=[sink("a", **wrong), sink("b")])], "p/a"),
                       ([pipeline(sinks=[sink("a"), sink("b")], **wrong)], "p/source"),  # of a pipeline that would begin anew
                       ([pipeline(sinks=[sink("a"), sink("b"), sink("c", **wrong)])], "p/c"),
                       ([pipeline(sinks=[sink("a"), sink("b")]), pipeline("q", [sink("c"), sink("b", **wrong)])], "q/b")):
        write(*new)
        before = said()
        assert post("/reload", expect=422)["error"] == f"{place}: {text}"
        assert json.loads(ask("/status")[1])["reload"]["text"] == f"{place}: {text}"
        line, = [line for line in said()[len(before):].splitlines() if "reload refused" in line]
        assert line.endswith(f' error="{place}: {text}"'), line
        done = subprocess.run([LEAT, "reload", "-c", CONFIG], capture_output=True, text=True, timeout=LIMIT)
        assert done.returncode == 78 and done.stderr.count(place) == 1 and done.stderr.strip().endswith(f"{place}: {text}"), done
    for name in "ab":
        assert sink_status(name)["starts"] == 1
    write(pipeline(sinks=[sink("a"), sink("b")]))
    post("/reload")
    for name in "ab":
        all_there(name)
    stop(process)
    for name in "ab":
        complete(name)


def case_failed():
    """While the others finish, the status says what the daemon ends for: a create or a start that was refused.  Where
    p has not begun by then there is nothing to finish, and it ends at once: then it is tried again."""
    for how, text in (({"in_create": "no"}, "in_create: no, as told"), ({"mode": "refuse"}, "refused as told")):
        write(pipeline("p", [sink("a", mode="never")]), pipeline("q", [sink("b"), sink("c", **how)]), shutdown_timeout="5m")
        wanted = f"the daemon is stopping: q/c: {text}\n"
        for _ in range(200):
            process = serve(may_end=True)
            until("the reason or the end", lambda: process.poll() is not None or says(wanted), may_end=True)
            if process.poll() is None:
                break
            assert said().strip().endswith(f"leat: q/c: {text}"), said()[-2000:]
        assert json.loads(ask("/status")[1])["reasons"].startswith(wanted)
        done = subprocess.run([LEAT, "status", "-c", CONFIG], capture_output=True, text=True, timeout=LIMIT)
        assert wanted in done.stdout, done
        stop(process, expect=-signal.SIGTERM)  # which is the second time that it is told to


def case_reload_storm():
    """Random changes and commands, one after the other, and signals between them, while records flow."""
    seed = os.environ.get("LEAT_SEED", str(random.randrange(1 << 30)))
    print("LEAT_SEED=" + seed)
    dice = random.Random(seed)
    knowing = [dice.random() < 0.5 for _ in "ab"]

    def some():
        sinks = [sink("a", holds=knowing[0], delay_us=dice.choice([100, 300, 600]), lent=dice.choice([1, 2, 8]),
                      mode=dice.choice(["ok", "fail", "down"]), every=40),
                 sink("b", holds=knowing[1], delay_us=dice.choice([100, 300]), lent=dice.choice([2, 8]))]
        if dice.random() < 0.3:
            sinks.append(sink("c"))
        if dice.random() < 0.3:
            sinks.reverse()
        write(pipeline(sinks=sinks, burst=dice.choice([20, 20, 20, 40])))
    some()
    process = serve()
    for _ in range(40):
        what = dice.random()
        if what < 0.5:
            some()
            post("/reload")
        elif what < 0.6:
            some()
            process.send_signal(signal.SIGHUP)
        elif what < 0.7:
            post("/pipelines/p/" + dice.choice(["pause", "resume"])) if ask("/pipelines/p/pause", "POST")[0] == 200 else 0
        elif what < 0.8 and ask("/pipelines/p/sinks/a/pause", "POST")[0] == 200:
            moves("b", 200, or_until=full) if status()["state"] == "running" else 0
            until("a goes on", lambda: ask("/pipelines/p/sinks/a/resume", "POST")[0] == 200)
        elif what < 0.9:
            with open(CONFIG, "a") as out:
                out.write("bad")
            post("/reload", expect=422)
        else:
            process.kill()
            process.wait()
            some()
            process = serve()
        until("it goes on", lambda: ask("/pipelines/p/resume", "POST")[0] == 200)
        if dice.random() < 0.5:
            moves("b", 300)
    all_there("a", "b")
    stop(process)
    # What was lent to a sink that cannot say what it holds, when the daemon was killed, comes again.
    for name, knows in zip("ab", knowing):
        if knows:
            complete(name)
        else:
            assert set(got(name)) == set(everything()), "lost"


def case_signals():
    """10,000 of them, mixed: handled one turn at a time, none lost that matters, and the stream goes on."""
    write(pipeline(sinks=[sink("a"), sink("b", holds=False)]))
    process = serve()
    dice = random.Random(1)
    for turn in range(10000):
        process.send_signal(dice.choice([signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE,
                                         signal.SIGCHLD, signal.SIGWINCH]))
        if turn % 1000 == 0:
            write(pipeline(sinks=[sink("a", lent=1 + turn // 1000), sink("b", holds=False)]))
    write(pipeline(sinks=[sink("a", lent=20), sink("b", holds=False)]), log={"level": "warn"})
    process.send_signal(signal.SIGHUP)
    until("the last one counts", lambda: json.loads(ask("/status")[1])["log_level"] == "warn")
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def case_reload_and_stop():
    """SIGTERM in the middle of it."""
    dice = random.Random(7)
    for turn in range(6):
        write(pipeline(sinks=[sink("a"), sink("b", holds=False)]))
        process = serve()
        moves("a", 500)
        more = [sink("c")] if turn % 2 else []
        write(pipeline(sinks=[sink("a", lent=9), sink("b", holds=False), *more]))
        process.send_signal(signal.SIGHUP)
        select.select([], [], [], dice.random() * 0.02)  # any moment of it
        stop(process)
        same("a", everything()[:len(got("a"))])
        same("b", everything()[:len(got("b"))])


def blocked(**environment):
    """A daemon whose sink a does not come back from submit; b has what memory allows."""
    write(pipeline(sinks=[sink("a", mode="block", every=3), sink("b")]), shutdown_timeout="1s")
    process = serve(**environment)
    until("the block", lambda: "as told: blocks" in said())
    return process


def goes_on():
    write(pipeline(sinks=[sink("a"), sink("b")]))
    process = serve()
    all_there("a", "b")
    stop(process)
    complete("a", "b")


def case_block():
    """A thread that does not come back from its plugin is told of everywhere, starves systemd's watchdog, and does not
    hold the end of the daemon."""
    path = os.path.join(DIR, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        process = blocked(NOTIFY_SOCKET=path, WATCHDOG_USEC="4000000")
        until("the watchdog's word", lambda: "thread is stuck, the watchdog is not fed" in said())
        assert sink_status("a")["thread_stuck_ms"] >= 2000 and sink_status("b")["thread_stuck_ms"] == 0
        assert "which does not come back" in sink_status("a")["waits_for"]
        assert status()["source"]["thread_stuck_ms"] == 0
        assert "sink a is stuck: its thread has not come back from the plugin" in ask("/readyz")[1]
        assert 'leat_sink_thread_stuck_seconds{pipeline="p",sink="a"} 0' not in ask("/metrics")[1]
        assert 'leat_sink_thread_stuck_seconds{pipeline="p",sink="b"} 0' in ask("/metrics")[1]
        stop(process)
        assert "it is left behind" in said()
    goes_on()


def case_block_second_signal():
    """Who does not want to wait for that says it twice."""
    process = blocked()
    process.send_signal(signal.SIGTERM)
    until("it stops", lambda: "stopping, what is in flight" in said())
    stop(process, expect=-signal.SIGTERM)
    assert "second signal, exiting at once" in said()
    goes_on()


def case_block_reload():
    """A sink that cannot be replaced ends the daemon, so that systemd begins it again with the new file."""
    process = blocked()
    write(pipeline(sinks=[sink("a"), sink("b")]), shutdown_timeout="1s")
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=LIMIT)
    assert process.returncode == 70, (process.returncode, said()[-2000:])
    last = said().strip().splitlines()[-1]
    assert last.startswith("leat: p/a: a thread of it does not come back from its plugin"), last
    goes_on()


def case_reload_and_end():
    """A pipeline one of whose sinks is to be replaced ends by itself while the reload still waits for another."""
    short = pipeline("q", [sink("c"), sink("d")], transactions=1000, end=True)
    write(pipeline("p", [sink("a", mode="never")]), short)
    process = serve()
    moves("c", 500)
    write(pipeline("p", [sink("a", mode="never")], burst=21), pipeline("q", [sink("c", lent=3), sink("d")], transactions=1000, end=True))
    process.send_signal(signal.SIGHUP)
    until("the end of q", lambda: got("d")[-1:] == [everything(1000)[-1]])
    until("an end of the reload", lambda: reloads() == 1)
    assert json.loads(ask("/status")[1])["reload"]["last"] == "done"
    process.kill()
    for name in "cd":
        same(name, everything(1000))


def case_systemd():
    """READY, STATUS, RELOADING with its time and READY again, STOPPING, EXTEND_TIMEOUT."""
    path = os.path.join(DIR, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(LIMIT)

        def wait_for(text):
            seen = []
            while True:
                seen.append(manager.recv(4096).decode())
                if text in seen[-1]:
                    return seen
        write(pipeline(sinks=[sink("a"), sink("b", mode="never")]), shutdown_timeout="2s")
        process = serve(NOTIFY_SOCKET=path)
        wait_for("READY=1")
        wait_for("STATUS=1 pipeline, ")
        before = time.monotonic_ns() // 1000
        write(pipeline(sinks=[sink("a", lent=3), sink("b", mode="never")]), shutdown_timeout="2s")
        process.send_signal(signal.SIGHUP)
        told = dict(line.split("=", 1) for line in wait_for("RELOADING=1")[-1].splitlines())
        assert before <= int(told["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, told
        assert "RELOADING" not in "".join(wait_for("READY=1"))
        write(pipeline(sinks=[sink("a", lent=0)]))
        process.send_signal(signal.SIGHUP)
        wait_for("RELOADING=1")
        wait_for("READY=1")
        assert "lent" in wait_for("STATUS=reload refused")[-1]
        post("/pipelines/p/pause")
        assert "paused by command" in wait_for("STATUS=not ready: ")[-1]
        process.send_signal(signal.SIGTERM)
        wait_for("STOPPING=1")
        wait_for("EXTEND_TIMEOUT_USEC=")
        process.wait(timeout=LIMIT)
        assert process.returncode == 0


try:
    globals()["case_" + CASE.removeprefix("isolated_")]()
finally:
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(DIR, ignore_errors=True)
