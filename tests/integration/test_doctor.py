# SPDX-License-Identifier: Apache-2.0
"""leat doctor: whatever is wrong, it says so, the worst first, with what to do; and it disturbs nobody."""
import json
import subprocess

import pytest

from leat_harness import places, wait
from leat_harness.leat import command


def doctor(daemon, *words):
    done = command("doctor", "-c", daemon.config, "--json", *words)
    found = json.loads(done.stdout)
    severities = [finding["severity"] for finding in found]
    assert severities == sorted(severities, key=["error", "warning", "note", "ok"].index), found
    return done.returncode, found


def of(found, instance, severity="error"):
    return [finding for finding in found if finding["instance"] == instance and finding["severity"] == severity]


@pytest.fixture
def shop(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return leat(db.dsn(), top={"http": {"listen": f"unix:{scratch}/s"}})


def ready(daemon):
    wait.until(lambda: command("status", "-c", daemon.config).returncode == 0, "the daemon to be ready")


def test_all_is_well(shop, db):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    code, found = doctor(shop)
    assert code == 0 and not [finding for finding in found if finding["severity"] in ("error", "warning")], found
    assert any(finding["pipeline"] == "p" and "changes a second" in finding["text"] for finding in found)
    done = command("doctor", "-c", shop.config)
    assert done.returncode == 0 and "0 errors, 0 warnings" in done.stdout and not done.stderr, done
    assert shop.running()


def test_the_daemon_is_down(shop, db):
    before = sorted(str(path) for path in shop.folder.rglob("*"))
    code, found = doctor(shop)
    (down,) = of(found, "daemon")
    assert code == 69 and "no daemon answers" in down["text"] and "systemctl start leat" in down["fix"]
    assert str(shop.config) in down["fix"] and sorted(str(path) for path in shop.folder.rglob("*")) == before
    assert db.slot("leat") is None


def test_a_daemon_that_runs_but_does_not_answer(shop, db, scratch):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    (scratch / "s").unlink()
    code, found = doctor(shop)
    (lost,) = of(found, "daemon")
    assert code == 69 and f"process {shop.process.pid} runs" in lost["text"], found


def test_postgresql_is_down_and_the_daemon_says_so_too(own_cluster, leat, scratch):
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), top={"http": {"listen": f"unix:{scratch}/s"}})
    daemon.start()
    daemon.wait_streaming(db)
    ready(daemon)
    pg.stop()
    daemon.wait_log("cannot connect")
    code, found = doctor(daemon)
    assert code == 69, found
    assert any("the source is" in finding["text"] and "by itself" in finding["fix"] for finding in of(found, "source")), found
    assert any("server running" in finding["text"] or "connect" in finding["text"] for finding in of(found, "source")), found


def test_a_gap_comes_before_what_merely_stands_still(shop, db):
    """The slot has been recreated behind the daemon's back, and the daemon is down for it."""
    shop.start()
    shop.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    shop.fence(db)
    assert shop.terminate() == 0
    assert command("slot", "drop", "-c", shop.config).returncode == 0
    shop.start()
    assert shop.wait_exit() == 65
    code, found = doctor(shop)
    assert code == 65 and of(found, "daemon") and "does not exist any more" in found[0]["text"], found
    assert command("check", "-c", shop.config).returncode == 65
    assert command("slot", "create", "-c", shop.config).returncode == 0  # behind what was recorded
    db.execute("INSERT INTO t VALUES (2)")
    code, found = doctor(shop)
    assert code == 65 and "recreated or advanced" in found[0]["text"], found


def test_a_state_file_without_a_fact_is_refused(shop, db):
    """By the facts a foreign or recreated slot is known: one that is missing is damage, not a first run."""
    shop.start()
    shop.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    shop.fence(db)
    assert shop.terminate() == 0
    file = shop.state / "p.state"
    file.write_text(file.read_text().replace('"system_identifier"', '"system"'))
    assert command("check", "-c", shop.config).returncode == 78
    shop.start()
    assert shop.wait_exit() == 78 and "system_identifier" in shop.last_line(), shop.last_line()


def test_a_daemon_ahead_of_its_state_file_is_no_gap(shop, db):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    for i in range(5):
        db.execute(f"INSERT INTO t VALUES ({i})")
        shop.fence(db)
        # 69: PostgreSQL did not answer in check's few seconds, as when the machine stands still; that says nothing of a gap.
        done = wait.until(lambda: (lambda done: done if done.returncode != 69 else None)(command("check", "-c", shop.config)), "an answer")
        assert done.returncode == 0, done


def test_a_sink_that_is_down(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn(), top={"http": {"listen": f"unix:{scratch}/s"}},
                  sinks=[{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{places.free_port()}", "stream": "S",
                          "route": "a.{table}"}])
    daemon.start()
    daemon.wait_log("sink is down")
    code, found = doctor(daemon)
    assert code == 69
    advice = [finding["fix"] for finding in of(found, "bus") if "sink bus is" in finding["text"]]
    assert advice and f"leat drop -c {daemon.config} --pipeline p --sink bus" in advice[0], found


def test_a_wrong_file_is_told_beside_the_running_daemon(shop, db):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    shop.write_config(shop.config.read_text().replace("memory:", "memmory:"))
    code, found = doctor(shop)
    assert code == 78 and 'did you mean "memory"' in of(found, "configuration")[0]["text"], found
    assert any("changes a second" in finding["text"] for finding in found)


def test_what_runs_is_not_what_the_file_says(shop, db):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    shop.tree["pipelines"][0]["sinks"].append({"name": "more", "plugin": "file", "directory": f"{shop.folder}/more"})
    shop.write_config()
    code, found = doctor(shop)
    drift = [finding for finding in found if "sink more is in the file" in finding["text"]]
    assert code == 0 and drift and drift[0]["fix"] == f"leat reload -c {shop.config}", found


@pytest.mark.skipif(not places.is_root(), reason="needs another user")
def test_the_socket_may_not_be_used(shop, db, scratch):
    shop.start()
    shop.wait_streaming(db)
    ready(shop)
    shop.config.chmod(0o644)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", str(places.BUILD / "leat"),
                           "doctor", "-c", str(shop.config)], capture_output=True, text=True, cwd="/")
    assert done.returncode == 77 and "may not talk to the daemon" in done.stdout and "usermod" in done.stdout, done
    shop.config.chmod(0o600)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", str(places.BUILD / "leat"),
                           "doctor", "-c", str(shop.config)], capture_output=True, text=True, cwd="/")
    assert done.returncode == 77 and "Permission denied" in done.stdout + done.stderr, done


def test_no_endpoint_is_a_warning(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    code, found = doctor(daemon)
    assert code == 0 and "cannot be asked" in of(found, "daemon", "warning")[0]["text"], found
