# SPDX-License-Identifier: Apache-2.0
"""Each state is caused for real and seen everywhere: in /status, /readyz, the metrics, and the page in a real Chromium."""
import contextlib
import functools
import re
import threading

import pytest

from leat_harness import places, wait
from leat_harness.admin import Admin
from leat_harness.browser import Browser, program

SCHEMA = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t"


@pytest.fixture(scope="session")
def chromium():
    if not program():
        pytest.skip("chromium is not installed")
    made = Browser()
    yield made
    made.destroy()


@pytest.fixture
def page(chromium):
    """The page of a daemon, whose complaints (exceptions, its policy) fail the test."""
    chromium.complaints.clear()
    chromium.look()

    class Page:
        def open(self, daemon):
            chromium.open(f"http://127.0.0.1:{daemon.tcp}/")
            return chromium
    yield Page()
    chromium.open("about:blank")
    lost = [text for text in chromium.complaints if "ERR_CONNECTION" not in text and "Failed to fetch" not in text]
    assert not lost, lost


@pytest.fixture
def watched(leat):
    """A daemon (not started yet) with an endpoint for us and for the browser."""
    def make(*args, top=None, **options):
        port = places.free_port()
        daemon = leat(*args, top=top, **options)
        daemon.tree["http"] = {"listen": [f"unix:{daemon.folder}/a.sock", f"127.0.0.1:{port}"]}
        daemon.write_config()
        daemon.tcp, daemon.admin = port, Admin(daemon.folder / "a.sock")
        return daemon
    return make


@pytest.fixture
def bus(nats_target):
    return functools.partial(nats_target, "debian")


def answers(daemon):
    def there():
        daemon.must_run()
        with contextlib.suppress(OSError):
            return daemon.admin.ask("/livez")[0] == 200
    wait.until(there, "the endpoint")


def becomes(daemon, what, probe):
    def so():
        daemon.must_run()
        with contextlib.suppress(KeyError):  # it has not begun
            return probe(daemon.admin.pipeline())
    return wait.until(so, lambda: f"{what}: {daemon.admin.ask('/status.txt')[1]}")


def is_shown(daemon, browser, reason, metrics, words):
    """What is known by now is said everywhere.  metrics: {(name, label...): value}; words: patterns on the page."""
    ready, text = daemon.admin.ready()
    assert not ready and re.search(reason, text), text
    assert not daemon.admin.status()["ready"]
    assert daemon.admin.metric("leat_ready") == 0
    for (name, *labels), value in metrics.items():
        assert daemon.admin.metric(name, *labels) == value, (name, labels, daemon.admin.metric(name, *labels))
    browser.until("document.getElementById('ready').textContent === 'not ready'")
    for word in words:
        wait.until(lambda pattern=word: re.search(pattern, browser.text()), lambda pattern=word: f"{pattern!r} on the page:\n{browser.text()}")
    assert "not ready" in browser.text() and browser.run("document.title") != "leat"


def test_all_is_well(db, watched, page):
    db.execute(SCHEMA)
    daemon = watched(db.dsn()).start()
    daemon.wait_streaming(db)
    browser = page.open(daemon)
    browser.until("document.getElementById('ready').textContent === 'ready'")
    db.execute("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1234) g")
    daemon.fence(db)
    browser.until("document.querySelector('tbody td').textContent === 'public.t'")
    browser.until("document.body.innerText.includes('1,234')")
    for word in ("p", "running", "streaming", "archive", "nothing waits", "pgoutput", "leat"):
        browser.until(f"document.body.innerText.includes('{word}')")  # what is shown may be a picture of a second ago
    assert browser.run("document.title") == "leat"
    assert daemon.admin.metric("leat_table_changes_total", "schema=public", "table=t") == 1234
    for stage in ("received", "decoded", "confirmed"):
        wait.until(lambda name=f"leat_source_{stage}_latency_seconds_count": daemon.admin.metric(name) > 0, stage)
    for stage in ("queued", "encoded", "submitted", "durable"):
        wait.until(lambda name=f"leat_sink_{stage}_latency_seconds_count": daemon.admin.metric(name) > 0, stage)
    assert not browser.run("document.querySelector('[style]')")
    # Keyboard: everything can be reached and held.
    browser.press("p")
    browser.until("document.getElementById('hold').getAttribute('aria-pressed') === 'true'")
    browser.press("p")
    browser.until("document.getElementById('hold').getAttribute('aria-pressed') === 'false'")
    browser.press("j")
    browser.until("document.activeElement.tagName === 'SECTION'")
    # A phone: nothing hangs over the edge.  Dark is dark.
    for dark in (False, True):
        browser.look(360, 740, dark, phone=True)
        browser.until("document.documentElement.scrollWidth <= 360")
        shade = browser.run("getComputedStyle(document.body).backgroundColor")
        assert (max(map(int, re.findall(r"\d+", shade)[:3])) < 60) == dark, shade
    # Every pair of text and ground can be read (WCAG AA: 4.5).
    for dark in (False, True):
        browser.look(1200, 900, dark)
        worst = browser.run(CONTRAST)
        assert worst[0] >= 4.5, worst


CONTRAST = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .99) return c.slice(0, 3); } return [255, 255, 255]; };
  let worst = [99, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest("script, style, noscript")) continue;
    const a = light(parse(getComputedStyle(e).color).slice(0, 3)), b = light(ground(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < worst[0]) worst = [ratio, walk.currentNode.data];
  }
  return worst; })()"""


def test_a_dead_sink(db, watched, page, bus):
    db.execute(SCHEMA)
    server = bus(retry_max="2s")
    daemon = watched(db.dsn(), sinks=[server.sink()]).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    becomes(daemon, "a record", lambda p: p["sinks"][0]["records"] == 1)
    browser = page.open(daemon)
    server.kill()
    db.execute("INSERT INTO t VALUES (2, 'x')")
    becomes(daemon, "a fall", lambda p: p["sinks"][0]["state"] == "down" and "refused" in p["sinks"][0]["last_error"]["text"])
    sink = daemon.admin.pipeline()["sinks"][0]
    assert not sink["up"] and sink["waits_for"], sink
    is_shown(daemon, browser, "sink bus is (down|starting): .*refused",
             {("leat_sink_up", "sink=bus"): 0, ("leat_pipeline_ready", "pipeline=p"): 0, ("leat_source_up",): 1},
             ["bus.*\n?.*(down|starting)", "sink bus waits for", "last warning"])
    assert daemon.admin.metric("leat_sink_retries_total") > 0 and daemon.admin.metric("leat_source_lag_bytes") > 0
    server.start()
    becomes(daemon, "the way back", lambda p: p["sinks"][0]["records"] == 2 and p["ready"])
    browser.until("document.getElementById('ready').textContent === 'ready'")
    assert daemon.admin.ready() == (True, "ok\n")


def test_a_full_stream(db, watched, page, bus):
    db.execute(SCHEMA)
    server = bus(create={"subjects": ["cdc.>"], "max_bytes": "64KiB"}, stall_warning="1s")
    daemon = watched(db.dsn(), sinks=[server.sink()]).start()
    daemon.wait_streaming(db)
    browser = page.open(daemon)
    db.execute("INSERT INTO t SELECT g, repeat('x', 1000) FROM generate_series(1, 200) g")
    becomes(daemon, "a full stream", lambda p: p["sinks"][0]["last_error"] and p["positions"]["stuck_ms"] > 1000)
    sink = daemon.admin.pipeline()["sinks"][0]
    assert re.search("maximum|exceeded|full", sink["last_error"]["text"]) and 0 < sink["records"] < 200, sink
    is_shown(daemon, browser, "no progress for|makes no progress", {("leat_pipeline_ready",): 0, ("leat_source_up",): 1},
             ["sink bus waits for", "maximum|exceeded|full"])
    assert daemon.admin.metric("leat_source_lag_seconds") > 0


def test_a_dead_postgresql(own_cluster, watched, page):
    cluster = own_cluster()
    db = cluster.new_database()
    db.execute(SCHEMA)
    daemon = watched(db.dsn()).start()
    daemon.wait_streaming(db)
    browser = page.open(daemon)
    browser.until("document.getElementById('ready').textContent === 'ready'")
    cluster.kill()
    becomes(daemon, "a lost connection", lambda p: p["source"]["state"] == "backing-off")
    is_shown(daemon, browser, "the source is (backing-off|connecting)", {("leat_source_up",): 0, ("leat_sink_up",): 1},
             ["the source waits for its origin", "backing-off|connecting"])
    cluster.start()
    becomes(daemon, "the way back", lambda p: p["source"]["state"] == "streaming")
    browser.until("document.getElementById('ready').textContent === 'ready'")
    assert daemon.admin.metric("leat_source_connections_total") == 2


def test_somebody_else_has_the_slot(db, watched, page):
    db.execute(SCHEMA)
    first = watched(db.dsn()).start()
    first.wait_streaming(db)
    second = watched(db.dsn()).start()
    answers(second)
    becomes(second, "to wait", lambda p: p["source"]["state"] == "waiting")
    browser = page.open(second)
    is_shown(second, browser, "the source is waiting", {("leat_source_up",): 0, ("leat_source_state", "state=waiting"): 1},
             ["the source waits for its origin", "waiting"])
    assert second.admin.ask("/livez")[0] == 200
    first.kill()
    becomes(second, "to take over", lambda p: p["source"]["state"] == "streaming")
    browser.until("document.getElementById('ready').textContent === 'ready'")


def test_a_lost_slot(own_cluster, watched, page):
    """The daemon ends, and the page says that nobody answers."""
    cluster = own_cluster()
    db = cluster.new_database()
    db.execute(SCHEMA)
    daemon = watched(db.dsn()).start()
    daemon.wait_streaming(db)
    daemon.fence(db)
    browser = page.open(daemon)
    browser.until("document.getElementById('ready').textContent === 'ready'")
    cluster.kill()
    becomes(daemon, "a lost connection", lambda p: p["source"]["state"] == "backing-off")
    for slot in (cluster.data / "pg_replslot").iterdir():
        places.remove(slot)
    cluster.start()
    assert daemon.wait_exit() == 65
    assert re.search("slot", daemon.last_line()) and not re.search("is_alive", daemon.last_line())
    browser.until("document.getElementById('ready').textContent === 'no answer'")


def by_command(daemon, url):
    code, text = daemon.admin.post(url)
    assert code in (200, 202), (url, code, text)


@pytest.fixture
def two(db, watched):
    """A daemon with two pipelines of one sink each."""
    db.execute(SCHEMA)
    daemon = watched(pipelines=[{"name": name, "source": {"plugin": "pgoutput", "dsn": db.dsn(), "slot": f"leat_{name}",
                                                          "publication": "leat"}, "sinks": []} for name in ("a", "b")])
    for pipeline in daemon.tree["pipelines"]:
        pipeline["sinks"] = [{"plugin": "file", "name": sink, "directory": f"{daemon.folder}/{pipeline['name']}-{sink}"}
                             for sink in ("one", "two")]
    daemon.write_config()
    daemon.start()
    for slot in ("leat_a", "leat_b"):
        daemon.wait_streaming(db, slot)
    return daemon


def first_section(browser, word):
    browser.until(f"document.querySelectorAll('section')[0].innerText.includes('{word}')")
    assert "running" in browser.run("document.querySelectorAll('section')[1].innerText")


@pytest.mark.parametrize("command, state", [("pause", "paused"), ("drain", "drained")])
def test_a_pipeline_that_stands_by_command(command, state, two, db, page):
    browser = page.open(two)
    browser.until("document.getElementById('ready').textContent === 'ready'")
    by_command(two, f"/pipelines/a/{command}")
    becomes(two, state, lambda p: p["state"] == state)
    is_shown(two, browser, f"pipeline a: {state} by command",
             {("leat_pipeline_state", "pipeline=a", f"state={state}"): 1, ("leat_pipeline_ready", "pipeline=a"): 0,
              ("leat_pipeline_ready", "pipeline=b"): 1}, [state])
    first_section(browser, state)
    by_command(two, "/pipelines/a/resume")
    becomes(two, "running", lambda p: p["state"] == "running" and p["ready"])
    browser.until("document.getElementById('ready').textContent === 'ready'")


@pytest.mark.root
def test_a_pipeline_that_drains(db, watched, page, scratch, things):
    """Its disk is full, so that what is in flight stays there."""
    db.execute(SCHEMA)
    disk = places.SmallDisk(scratch / "disk", 4 << 20)
    things.append(disk)
    daemon = watched(db.dsn(), sink={"directory": str(disk.path / "a"), "retry_max": "500ms"}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (0, 'first')")
    daemon.wait_line('"first"', disk.path / "a")
    browser = page.open(daemon)
    disk.fill()
    db.execute("INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 1000) g")
    becomes(daemon, "a full disk", lambda p: p["sinks"][0]["last_error"])
    answer = []
    asking = threading.Thread(target=lambda: answer.append(daemon.admin.post("/pipelines/p/drain")))
    asking.start()
    becomes(daemon, "draining", lambda p: p["state"] == "draining")
    is_shown(daemon, browser, "pipeline p: draining", {("leat_pipeline_state", "state=draining"): 1}, ["draining"])
    disk.drain()
    becomes(daemon, "drained", lambda p: p["state"] == "drained")
    asking.join()
    assert daemon.admin.metric("leat_sink_records_total") == 1001


@pytest.mark.parametrize("command, state", [("pause", "paused"), ("drop", "dropped")])
def test_a_sink_that_stands_by_command(command, state, two, db, page):
    browser = page.open(two)
    by_command(two, f"/pipelines/a/sinks/two/{command}")
    becomes(two, state, lambda p: p["sinks"][1]["state"] == state)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    is_shown(two, browser, f"pipeline a: sink two is {state}",
             {("leat_sink_state", "pipeline=a", "sink=two", f"state={state}"): 1, ("leat_sink_up", "pipeline=a", "sink=two"): 0,
              ("leat_sink_up", "pipeline=a", "sink=one"): 1}, [f"two {state}|two\n?.*{state}"])
    first_section(browser, state)
    if state == "dropped":
        becomes(two, "a change that it misses", lambda p: p["sinks"][1]["missed"] == 1)
        assert two.admin.metric("leat_sink_missed_total", "sink=two", "pipeline=a") == 1
    else:
        by_command(two, "/pipelines/a/sinks/two/resume")
        becomes(two, "running", lambda p: p["sinks"][1]["state"] == "running" and p["sinks"][1]["records"] == 1)


def test_a_bad_reload(two, page):
    browser = page.open(two)
    good = two.config.read_text()
    two.config.write_text(good.replace("leat_a", "leat_a") + "\nunknown_word: 1\n")
    two.admin.post("/reload")
    wait.until(lambda: two.admin.metric("leat_config_reload_success") == 0, "a refused reload")
    assert two.admin.status()["reload"]["last"] == "refused" and "unknown_word" in two.admin.status()["reload"]["text"]
    assert two.admin.ready()[0], "everything goes on"
    browser.until("document.getElementById('notice').textContent.includes('unknown_word')")
    two.config.write_text(good)
    two.admin.post("/reload")
    wait.until(lambda: two.admin.metric("leat_config_reload_success") == 1, "a good reload")
    browser.until("document.getElementById('notice').hidden")


def test_a_slot_that_keeps_too_much(db, watched, page, bus):
    """Nothing is delivered, the server writes on: the guard's levels are seen as they are reached."""
    db.execute(SCHEMA)
    server = bus(retry_max="1s")
    daemon = watched(db.dsn(), sinks=[server.sink()],
                     source={"guard": {"interval": "200ms", "warn": "2MiB", "critical": "8MiB"}}).start()
    daemon.wait_streaming(db)
    browser = page.open(daemon)
    server.kill()
    db.execute("INSERT INTO t VALUES (1, 'x')")
    becomes(daemon, "a fall", lambda p: not p["sinks"][0]["up"])
    for level, megabytes in (("warn", 3), ("critical", 8)):
        db.execute("SELECT count(pg_logical_emit_message(false, 'x', repeat('x', 1000000))) FROM generate_series(1, %s)", (megabytes,))
        wait.until(lambda number=("ok", "warn", "critical").index(level): daemon.admin.metric("leat_source_slot_level") == number,
                   lambda: f"the level {level}: {daemon.admin.metric('leat_source_slot_retained_bytes')}")
        browser.until(f"document.body.innerText.includes('{level}')")
    assert daemon.admin.metric("leat_source_slot_retained_bytes") > 8 << 20
    assert daemon.admin.metric("leat_source_lag_bytes") > 8 << 20, "what the server has counts, not only what came"
    assert daemon.admin.metric("leat_source_slot_condition", "condition=fine") == 1
