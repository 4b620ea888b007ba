# SPDX-License-Identifier: Apache-2.0
"""A sink's server stands still without a word (SIGSTOP) while an operator changes or ends the daemon: what was asked comes to its
end within the limits that are promised for it, and nothing is lost or doubled by it."""
import pytest

from leat_harness import kafka, records, wait
from leat_harness.admin import Admin
from leat_harness.leat import settle, start
from leat_harness.rows import ids, insert


@pytest.fixture
def target(nats_target, shared_broker, request):
    def make(kind, mode):
        if kind == "nats":
            return nats_target("current", mode)
        return kafka.Target(shared_broker, mode, request.node.name.replace("[", ".").replace("]", ""))
    return make


def other_sink(daemon, target, _archive):
    target.options["stall_warning"] = "99s"
    return "/reload"


def other_source(daemon, _target, _archive):
    daemon.tree["pipelines"][0]["batch"] = {"max_delay": "7ms"}
    return "/reload"


def gone(daemon, _target, archive):
    daemon.tree["pipelines"][0]["sinks"] = [archive]
    return "/reload?removed=drop"


@pytest.mark.parametrize("change", [other_sink, other_source, gone])
@pytest.mark.parametrize("kind, mode", [("nats", "sequence"), ("nats", "atomic"), ("kafka", "transactional")])
def test_a_reload_while_a_server_is_frozen_ends_and_loses_nothing(kind, mode, change, table, leat, target, scratch):
    bus = target(kind, mode)
    archive = {"name": "archive", "plugin": "file", "directory": str(scratch / "archive")}
    daemon = start(leat, table, bus, archive, top={"http": {"listen": f"unix:{scratch}/s"}})
    admin = Admin(scratch / "s")
    insert(table, 1, 1000)
    settle(daemon, table)
    insert(table, 1001, 3000)
    bus.pause()
    try:
        insert(table, 3001, 4000)
        url = change(daemon, bus, archive)
        daemon.write_config()
        assert admin.post(url)[0] in (200, 202)
        wait.until(lambda: admin.status()["reload"]["done"] == 1, lambda: f"an end of the reload\n{daemon.stderr_tail()}")
    finally:
        bus.resume()
    insert(table, 4001, 5000)
    settle(daemon, table)
    assert daemon.terminate() == 0
    held = [int(record.after["id"]) for record in map(records.Record, records.lines(scratch / "archive")) if record.op == "insert"]
    assert held == list(range(1, 5001))
    if change is not gone:
        assert sorted(ids(bus)) == held


@pytest.mark.parametrize("kind, mode", [("nats", "msg_id"), ("kafka", "idempotent")])
def test_an_end_while_a_server_is_frozen_loses_nothing(kind, mode, table, leat, target):
    bus = target(kind, mode)
    daemon = start(leat, table, bus, top={"shutdown_timeout": "1s"})
    insert(table, 1, 1000)
    settle(daemon, table)
    bus.pause()
    try:
        insert(table, 1001, 3000)
        assert daemon.terminate() == 0
        assert "left behind" not in daemon.stderr()
    finally:
        bus.resume()
    daemon.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(bus)) == list(range(1, 3001))
