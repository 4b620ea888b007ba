# SPDX-License-Identifier: Apache-2.0
"""Runs the daemon with a fake source and fake sinks, one case a call, and checks what the sinks got.

Usage: run.py LEAT PLUGINS_D CASE
A case isolated_X is the case X with each sink in a process of its own.
"""
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

LEAT, PLUGINS, CASE = sys.argv[1:4]
DIR = tempfile.mkdtemp(prefix="leat-fakes-")
LIMIT = int(os.environ.get("LEAT_TEST_LIMIT", "100"))  # seconds for a whole run: a deadline, not a wait
ISOLATED = CASE.startswith("isolated_")
started = []


def config(pipelines, memory="16MiB"):
    path = os.path.join(DIR, "leat.yaml")
    document = {"state_directory": os.path.join(DIR, "state"), "plugins": PLUGINS,
                "memory": memory, "http": {"listen": "none"}, "pipelines": pipelines}
    with open(path, "w") as out:
        json.dump(document, out, indent=1)  # JSON is YAML
    return path


def source(**options):
    return {"plugin": "fake_source", **options}


def sink(name="sink", **options):
    return {"name": name, "plugin": "fake_sink", "log": os.path.join(DIR, name + ".log"),
            "retry_max": "200ms", **({"isolate": True} if ISOLATED else {}), **options}


def pipeline(name="p", src=None, sinks=None, **options):
    return {"name": name, "source": src or source(transactions=500), "sinks": sinks,
            "confirm_interval": "50ms", **options}


def start(path):
    started.append(subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", LEAT, "run", "-c", path], stderr=subprocess.PIPE,
                                    text=True))
    return started[-1]


def run(path, expect=0):
    process = start(path)
    try:
        _, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
        sys.exit("did not end:\n" + err[-3000:])
    if process.returncode != expect:
        sys.exit(f"exit {process.returncode}, expected {expect}:\n{err[-3000:]}")
    helpers_ended_well(err)
    return err


def helpers_ended_well(err):
    """What a sanitizer says of a helper is in the log, and its exit status too: but where it is told to end badly."""
    if CASE not in ("isolated_crash", "isolated_exit", "isolated_write", "isolated_scribble", "isolated_die_in_create"):
        for words in ("did not end well", "Sanitizer", "runtime error"):
            if words in err:
                sys.exit(f"{words!r} in:\n{err[-6000:]}")


def wait_for_line(process, text):
    """Reads standard error until a line with the text comes; returns what was read."""
    seen, deadline = "", time.monotonic() + LIMIT
    while text not in seen:
        ready, _, _ = select.select([process.stderr], [], [], max(0, deadline - time.monotonic()))
        chunk = os.read(process.stderr.fileno(), 65536).decode() if ready else ""
        if not chunk:
            process.kill()
            sys.exit(f"never said {text!r}:\n{seen[-3000:]}")
        seen += chunk
    return seen


def got(name="sink"):
    with open(os.path.join(DIR, name + ".log")) as lines:
        return [tuple(int(x) for x in line.split()[:2]) for line in lines]


def expected(transactions=500, rows=10):
    return [((t + 1) * 1000, r) for t in range(transactions) for r in range(rows)]


def check(actual, wanted, ordered=True):
    if not ordered:
        actual = sorted(actual)
    if actual == wanted:
        return
    lost, extra = set(wanted) - set(actual), len(actual) - len(set(actual))
    sys.exit(f"{len(actual)} records of {len(wanted)}: {len(lost)} lost, {extra} doubled")


def has(text, part):
    if part not in text:
        sys.exit(f"expected {part!r} in:\n{text[-3000:]}")


def simple(mode, ordered=True, **options):
    err = run(config([pipeline(sinks=[sink(mode=mode, **options)])]))
    check(got(), expected(), ordered)
    return err


def case_ok():
    simple("ok")


def case_slow():
    simple("slow", delay_us=2000, lent=2)


def case_fail():
    has(simple("fail", every=5), "batch failed, will be retried")


def case_down():
    has(simple("down", every=9), "sink is down, will be tried again")


def case_down_at_rest():
    """Down when the source has published all it has: the next try comes after its pause, not when something wakes the worker."""
    begun = time.monotonic()
    run(config([pipeline(src=source(transactions=100, burst=100),
                         sinks=[sink(mode="drop", every=2, lent=1, delay_us=50000, retry_max="200ms")])]))
    check(got(), expected(100))
    if time.monotonic() - begun > 30:
        sys.exit(f"it took {time.monotonic() - begun:.0f} s")


def case_out_of_order():
    simple("out_of_order", ordered=False, holds=False)


def case_twice():
    has(simple("twice", every=3), "plugin gave back a batch that it does not have")


def case_late():
    """An OK for an earlier time that a batch was lent does not count for this time."""
    err = simple("late", every=5)
    has(err, "plugin gave back a batch that it does not have")


def case_never():
    path = config([pipeline(src=source(transactions=500, end=False),
                            sinks=[sink(mode="never", stall_warning="1s")])])
    with open(path) as text:
        document = json.load(text)
    document["shutdown_timeout"] = "500ms"
    with open(path, "w") as out:
        json.dump(document, out)
    process = start(path)
    wait_for_line(process, "oldest record is not acknowledged")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LIMIT)
    if process.returncode != 0:
        sys.exit(f"exit {process.returncode}")
    has(err, "stopped before everything in flight was durable")


def case_reject():
    has(run(config([pipeline(sinks=[sink(mode="reject", every=3)])]), expect=78), "rejects insert of")
    done = got()
    check(done, expected()[:len(done)])


def case_dead_letter():
    letters = os.path.join(DIR, "letters")
    run(config([pipeline(sinks=[sink(mode="reject", every=3, on_reject="dead_letter",
                                     dead_letter=letters)])]))
    with open(os.path.join(letters, "p-sink.ndjson")) as lines:
        dead = [json.loads(line) for line in lines]
    assert dead, "no dead letter"
    for letter in dead:
        assert letter["reason"] == "as told" and letter["record"]["table"] == "fake", letter
    dead = [(int(x["lsn"].split("/")[1], 16), x["seq"]) for x in dead]
    check(sorted(got() + dead), expected())


def case_refuse():
    has(run(config([pipeline(sinks=[sink(mode="refuse")])]), expect=78), "refused as told")


def case_refuse_create():
    """What only the plugin can judge is found before anything begins: the same words and the same end, isolated or not."""
    none = os.path.join(DIR, "none", "x.log")
    for options, code, words in (({"in_create": "no"}, 65, "p/sink: in_create: no, as told"), ({"log": none}, 78, "p/sink: cannot open " + none),
                                 ({"route": "a.{nothing}"}, 78, "nothing"), ({"route": "a b"}, 78, "route")):
        ends = []
        for isolate in (False, True):
            err = run(config([pipeline(sinks=[sink(**{**options, "isolate": isolate})])]), expect=code)
            has(err, words)
            ends.append(err.splitlines()[-1])
            assert "streaming" not in err and not os.path.exists(os.path.join(DIR, "state", "p.state")), err
        assert ends[0] == ends[1] or "route" in options and ends[0].split(": ", 2)[2:] == ends[1].split(": ", 2)[2:], ends


def place_of_failure(path, code):
    """What leat run says of a pipeline that cannot begin: its last line, which the log says as well, in fields."""
    err = run(path, expect=code)
    said = err.splitlines()[-1].removeprefix("leat: ")
    names, why = said.split(": ", 1)
    field = why if re.fullmatch(r"[^\s\"=]+", why) else json.dumps(why)
    named = "".join(f" {key}={name}" for key, name in zip(("pipeline", "instance"), names.split("/")))
    assert sum(f"pipeline failed{named} error={field}" in line for line in err.splitlines()) == 1, err
    return said


def case_refuse_place():
    """Of two sinks with one plugin, the one that is wrong is named, and so is a source: once, and as leat check does."""
    wrong = {"in_create": "no"}
    for src, sinks, place in ((source(), [sink("one"), sink("two", **wrong)], "p/two"), (source(), [sink("one", **wrong), sink("two")], "p/one"),
                              (source(**wrong), [sink("one"), sink("two")], "p/source")):
        path = config([pipeline(src=src, sinks=sinks)])
        said = place_of_failure(path, 65)
        assert said == f"{place}: in_create: no, as told", said
        for words in ([], ["--offline"]):
            done = subprocess.run([LEAT, "check", "-c", path, *words], capture_output=True, text=True, timeout=LIMIT)
            assert done.returncode == 65 and [line.split(None, 1)[1] for line in done.stdout.splitlines() if line.startswith("error")] == [said], done
    letters = os.path.join(DIR, "none", "letters")
    said = place_of_failure(config([pipeline(sinks=[sink("one"), sink("two", on_reject="dead_letter", dead_letter=letters)])]), 73)
    assert said.startswith(f"p/two: dead letters: cannot make {letters}: "), said
    said = place_of_failure(config([pipeline(sinks=[sink("one"), sink("two", mode="refuse")])]), 78)  # in its start, on its thread
    assert said == "p/two: refused as told", said
    with open(os.path.join(DIR, "state", "p.state"), "w") as out:
        out.write("format: 77\n")
    path = config([pipeline(sinks=[sink("one"), sink("two")])])
    said = place_of_failure(path, 78)
    done = subprocess.run([LEAT, "check", "-c", path], capture_output=True, text=True, timeout=LIMIT)
    assert said.startswith("p/state: ") and said in done.stdout, (said, done)


def case_isolated_die_in_create():
    """One that ends or hangs in its create ends the daemon before anything begins, with 70 and one line that says what."""
    for how, words, patience in (("abort", r"was killed by signal 6 \(Aborted\)", "1m"), ("exit", "ended by itself with status 3", "1m"),
                                 ("hang", "did not answer for 1 s and was killed", "1s")):
        err = run(config([pipeline(sinks=[sink(in_create=how, isolate_timeout=patience)])]), expect=70)
        said = err.splitlines()[-1]
        assert re.fullmatch(rf"leat: p/sink: the process \d+ of plugin fake_sink {words} before its create came back", said), err
        assert not os.path.exists(os.path.join(DIR, "sink.log")) or not got(), err


def look(*words, **options):
    """leat check of one sink: its exit status, its findings, its process, and the other one that it says its check was in."""
    process = subprocess.Popen([LEAT, "check", "--json", "-c", config([pipeline(sinks=[sink(**options)])]), *words],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, err = process.communicate(timeout=LIMIT)
    try:
        found = [x for x in json.loads(out) if x.get("instance", x.get("sink")) == "sink"]
    except ValueError:
        sys.exit(f"exit {process.returncode}, no answer:\n{out}\n{err[-3000:]}")
    texts = [x["text"] for x in found]
    looked = [int(text.split()[-1]) for text in texts if text.startswith("looked at by process")]
    return process.returncode, [x for x in found if not x["text"].startswith("looked at")], process.pid, looked


def case_check():
    """leat check says what only the plugin can judge, also offline, and outlives a plugin that does not come back."""
    for isolate in (False, True):
        code, found, ours, looked = look(isolate=isolate, route="some.{table}")
        assert code == 0 and [(x["severity"], x["text"], x["fix"]) for x in found] == [("warning", "some.{table}", "one\ntwo")], found
        assert len(looked) == 1 and (looked[0] == ours) is not isolate, (looked, ours)
        assert look("--offline", isolate=isolate)[:2] == (0, [])
        for words in ([], ["--offline"]):
            code, found, *_ = look(*words, isolate=isolate, in_create="no")
            assert (code, [x["text"] for x in found]) == (65, ["in_create: no, as told"]), (code, found)
            code, found, _, looked = look(*words, isolate=isolate, log=os.path.join(DIR, "none", "x"))
            assert code == 78 and len(found) == 1 and "cannot open" in found[0]["text"] and bool(looked) != bool(words), found
            for how, said in (("abort", "crashed in its create: its process was killed by signal 6 (Aborted)"),
                              ("exit", "crashed in its create: its process ended by itself with status 3")):
                code, found, *_ = look(*words, isolate=isolate, in_create=how)
                assert (code, [x["text"] for x in found]) == (70, ["plugin fake_sink " + said]), (code, found)
        code, found, *_ = look(isolate=isolate, in_check="no", in_create="no")  # its check has said enough
        assert (code, [x["text"] for x in found]) == (65, ["in_check: no, as told"]), (code, found)
    for how, said in (("abort", "crashed in its check: its process was killed by signal 6 (Aborted)"),
                      ("exit", "crashed in its check: its process ended by itself with status 3"),
                      ("hang", "did not come back in time in its check")):
        begun = time.monotonic()
        code, found, *_ = look(isolate=True, in_check=how)
        assert (code, [x["text"] for x in found]) == (70, ["plugin fake_sink " + said]), (code, found)
        assert time.monotonic() - begun < 25


def case_check_source():
    """As of a sink, leat check says what only a source's plugin can judge, and outlives one that does not come back."""
    for words in ([], ["--offline"]):
        for how, code, said in (("ok", 0, None), ("no", 65, "in_create: no, as told"),
                                ("abort", 70, "plugin fake_source crashed in its create: its process was killed by signal 6 (Aborted)"),
                                ("exit", 70, "plugin fake_source crashed in its create: its process ended by itself with status 3"),
                                ("hang", 70, "plugin fake_source did not come back in time in its create")):
            begun = time.monotonic()
            done = subprocess.run([LEAT, "check", "--json", "-c", config([pipeline(src=source(in_create=how), sinks=[sink()])]), *words],
                                  capture_output=True, text=True, timeout=LIMIT)
            found = [(x["pipeline"], x["instance"], x["text"]) for x in json.loads(done.stdout) if x["severity"] == "error"]
            assert (done.returncode, found) == (code, [("p", "source", said)] if said else []), done
            assert time.monotonic() - begun < 25
    assert not os.path.exists(os.path.join(DIR, "state")), "it has made something"


def case_large_record():
    src = source(transactions=6, rows=1, size="3MiB")
    run(config([pipeline(src=src, sinks=[sink()])]))
    check(got(), expected(6, 1))
    os.remove(os.path.join(DIR, "sink.log"))
    shutil.rmtree(os.path.join(DIR, "state"))
    src = source(transactions=6, rows=1, size="9MiB")
    has(run(config([pipeline(src=src, sinks=[sink()])]), expect=78), "set memory to at least")


def case_two_sinks():
    run(config([pipeline(sinks=[sink("a", mode="fail"), sink("b", mode="down", every=11)])]))
    check(got("a"), expected())
    check(got("b"), expected())


def case_slow_and_fast():
    run(config([pipeline(src=source(transactions=2000, burst=50),
                         sinks=[sink("a", delay_us=3000, lent=1), sink("b")])]))
    check(got("a"), expected(2000))
    check(got("b"), expected(2000))


def case_two_pipelines():
    run(config([pipeline("x", sinks=[sink("a", mode="fail")]), pipeline("y", sinks=[sink("b")])],
               memory="32MiB"))
    check(got("a"), expected())
    check(got("b"), expected())


def case_restart():
    """Killed again and again: what the sink holds is never sent twice, and nothing is missing."""
    path = config([pipeline(src=source(transactions=3000, burst=20), sinks=[sink(delay_us=200)])])
    for _ in range(4):
        process = start(path)
        wait_for_line(process, "started")
        deadline = time.monotonic() + LIMIT
        before = os.path.getsize(os.path.join(DIR, "sink.log")) if os.path.exists(
            os.path.join(DIR, "sink.log")) else 0
        while process.poll() is None and time.monotonic() < deadline:
            if (os.path.exists(os.path.join(DIR, "sink.log"))
                    and os.path.getsize(os.path.join(DIR, "sink.log")) > before + 20000):
                break
            time.sleep(0.005)  # between two looks at a file that grows
        process.kill()
        process.communicate()
    run(path)
    check(got(), expected(3000))


def case_forget():
    """A sink whose server lost what it had accepted but not synced: the hold has kept it at the source."""
    err = run(config([pipeline(src=source(transactions=500, burst=100),
                               sinks=[sink("a", mode="forget", every=150, hold="2s"), sink("b")])]))
    has(err, "sink went backwards, beginning again at the confirmed position")
    check(got("a"), expected())
    check(got("b"), expected())


def case_lost():
    """One that lost what was confirmed: a gap that only a person can mend."""
    path = config([pipeline(src=source(transactions=500, end=False), sinks=[sink()])])
    process = start(path)
    wait_for_line(process, "started")
    deadline = time.monotonic() + LIMIT
    state = os.path.join(DIR, "state", "p.state")
    while time.monotonic() < deadline:
        if os.path.exists(state) and "0/7A12A" in open(state).read():  # 500 * 1000 + 10
            break
        time.sleep(0.005)  # between two looks at a file that is replaced
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    log = os.path.join(DIR, "sink.log")
    with open(log) as lines:
        kept = lines.readlines()[:-7]
    with open(log, "w") as out:
        out.writelines(kept)
    has(run(path, expect=65), "it has lost data")


def case_small_memory():
    run(config([pipeline(src=source(transactions=200, rows=100, size="2000"),
                         sinks=[sink("a", mode="fail"), sink("b", delay_us=500)])], memory="16MiB"))
    check(got("a"), expected(200, 100))
    check(got("b"), expected(200, 100))


def case_hold():
    """What is accepted but held back is confirmed later, and all of it is in the end."""
    began = time.monotonic()
    run(config([pipeline(sinks=[sink(hold="1500ms")])]))
    assert time.monotonic() - began >= 1.5, "confirmed before the hold was over"
    check(got(), expected())


def case_foreign():
    """A sink that was filled from another server: to skip what it holds would lose everything."""
    with open(os.path.join(DIR, "sink.log"), "w") as out:
        out.write("99999999999 3 \n")
    has(run(config([pipeline(sinks=[sink()])]), expect=65), "filled from another server")


def case_stop_in_hold():
    """What is held back is not waited for at a stop; the next start finds that the sink has it."""
    path = config([pipeline(src=source(transactions=500, end=False), sinks=[sink(hold="10m")])])
    process = start(path)
    wait_for_line(process, "started")
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if os.path.exists(os.path.join(DIR, "sink.log")) and len(got()) == 5000:
            break
        time.sleep(0.005)  # between two looks at a file that grows
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and time.monotonic() - began < 20, "waited for the hold"
    run(config([pipeline(src=source(transactions=500), sinks=[sink()])]))
    check(got(), expected())


def case_second_signal():
    path = config([pipeline(src=source(end=False), sinks=[sink(mode="never")])])
    process = start(path)
    wait_for_line(process, "started")
    process.send_signal(signal.SIGTERM)
    wait_for_line(process, "stopping")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=LIMIT)
    if process.returncode != -signal.SIGTERM:
        sys.exit(f"exit {process.returncode}")


# ---- a sink in a process of its own --------------------------------------------------------------

def helpers(daemon):
    """The processes that a daemon has begun."""
    with open(f"/proc/{daemon.pid}/task/{daemon.pid}/children") as text:
        main = text.read().split()
    for task in os.listdir(f"/proc/{daemon.pid}/task"):
        try:
            with open(f"/proc/{daemon.pid}/task/{task}/children") as text:
                main += text.read().split()
        except FileNotFoundError:
            pass
    return sorted({int(pid) for pid in main})


def is_there(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"never {what}")
        time.sleep(0.002)  # between two looks


def finish(process):
    try:
        _, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
        sys.exit("did not end:\n" + err[-3000:])
    helpers_ended_well(err)
    return err


def restarts(err):
    """How often the log says that a sink's process ended, repeats included."""
    return sum(1 + int((line.split("repeats=") + ["0"])[1].split()[0])
               for line in err.splitlines() if " of plugin fake_sink " in line or "the same again" in line)


def case_isolated_twice():
    err = simple("twice", every=3, lent=4)
    has(err, "isolated sink broke the contract of plugins and is killed")
    has(err, "it gave back a batch that it does not have")


def case_isolated_late():
    err = simple("late", every=5)
    has(err, "it gave back a batch that it does not have")


def case_isolated_hang():
    """It is stopped, as a debugger or a call that never returns would: after isolate_timeout it is another one."""
    process = start(config([pipeline(src=source(transactions=4000, burst=20), sinks=[sink(
        delay_us=300, lent=2, isolate_timeout="1s")])]))
    for _ in range(3):
        seen = len(got()) if os.path.exists(os.path.join(DIR, "sink.log")) else 0
        wait_until(lambda: process.poll() is not None or os.path.exists(os.path.join(DIR, "sink.log")) and len(got()) > seen + 200,
                   "delivered")
        pid = helpers(process)[0]  # by now not the one that only tries the options
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: not is_there(pid), "killed")
    err = finish(process)
    if process.returncode != 0:
        sys.exit(f"exit {process.returncode}:\n{err[-3000:]}")
    has(err, "did not answer for 1 s and was killed")
    check(got(), expected(4000))


def case_isolated_locked():
    """mlock holds for the memory that is shared, too."""
    path = config([pipeline(src=source(transactions=300), sinks=[sink()])])
    with open(path) as text:
        document = json.load(text)
    with open(path, "w") as out:
        json.dump({**document, "mlock": True}, out)
    run(path)
    check(got(), expected(300))


def case_isolated_crash():
    """It dies at random moments, 50 times or more, while records flow."""
    transactions = 2000
    process = start(config([pipeline(src=source(transactions=transactions, burst=20),
                                     sinks=[sink(mode="crash", every=6, lent=4)])]))
    err = finish(process)
    if process.returncode != 0:
        sys.exit(f"exit {process.returncode}:\n{err[-3000:]}")
    has(err, "was killed by signal 9")
    check(got(), expected(transactions))
    if restarts(err) < 50:
        sys.exit(f"only {restarts(err)} deaths:\n{err[-2000:]}")


def case_isolated_exit():
    has(simple("exit", every=12), "ended by itself with status 3")


def case_isolated_scribble():
    """It writes nonsense over all that it shares with the daemon."""
    err = simple("scribble", every=12)
    has(err, "isolated sink broke the contract of plugins and is killed")


def case_isolated_write():
    """What it is lent it cannot write to: the kernel ends it, not the daemon."""
    has(simple("write", every=12), "of plugin fake_sink ")


def case_isolated_block():
    """A blocked one ends with the daemon, within the deadline, and leaves no process."""
    path = config([pipeline(src=source(transactions=3000, burst=20, end=False), sinks=[sink(mode="block", every=3)])])
    with open(path) as text:
        document = json.load(text)
    document["shutdown_timeout"] = "2s"
    with open(path, "w") as out:
        json.dump(document, out)
    process = start(path)
    wait_for_line(process, "as told: blocks")
    pids = helpers(process)
    assert len(pids) == 1, pids
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    wait_until(lambda: not is_there(pids[0]) or time.monotonic() - began > 15, "ended")
    err = finish(process)
    has(err, "did not stop in time and is killed")
    assert not is_there(pids[0])


def case_isolated_orphan():
    """kill -9 of the daemon takes the helper along, and a new daemon goes on where it was; as often of the helper."""
    path = config([pipeline(src=source(transactions=3000, burst=20), sinks=[sink(delay_us=300, lent=2)])])
    for turn in range(6):
        process = start(path)
        seen = len(got()) if os.path.exists(os.path.join(DIR, "sink.log")) else 0
        wait_until(lambda: os.path.exists(os.path.join(DIR, "sink.log")) and len(open(os.path.join(
            DIR, "sink.log")).readlines()) > seen + 100, "delivered")
        pids = helpers(process)
        assert len(pids) == 1, pids
        if turn % 2:
            os.kill(pids[0], signal.SIGKILL)
            wait_for_line(process, "was killed by signal 9")
        process.kill()
        process.communicate()
        for pid in pids:
            wait_until(lambda pid=pid: not is_there(pid), "ended")
    run(path)
    check(got(), expected(3000))


def case_isolated_shape():
    """An ordinary child: a session's input, no descriptors of the daemon's, no options in its arguments or environment."""
    os.environ["LEAT_TEST_SECRET"] = "very-secret-word"
    process = start(config([pipeline(src=source(end=False), sinks=[sink()])]))
    wait_for_line(process, "started")
    wait_until(lambda: os.path.exists(os.path.join(DIR, "sink.log")) and got(), "delivered")
    pid = helpers(process)[0]
    read = lambda name: open(f"/proc/{pid}/{name}", "rb").read()
    assert read("cmdline") == b"leat\0__sink\0p/sink\0", read("cmdline")
    assert b"very-secret-word" not in read("environ") and DIR.encode() not in read("environ")
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{pid}/fd/1") == os.readlink(f"/proc/{pid}/fd/2")
    assert os.readlink(f"/proc/{pid}/cwd") == os.readlink(f"/proc/{process.pid}/cwd")
    names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert not any("state" in name or "options" in name for name in names), names
    writable = [line for line in read("maps").decode().splitlines() if "leat-pool" in line and "w" in line.split()[1]]
    assert not writable, writable
    process.send_signal(signal.SIGTERM)
    finish(process)
    assert process.returncode == 0 and not is_there(pid)


try:
    (globals().get("case_" + CASE) or globals()["case_" + CASE.replace("isolated_", "", 1)])()
finally:
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
    shutil.rmtree(DIR, ignore_errors=True)
