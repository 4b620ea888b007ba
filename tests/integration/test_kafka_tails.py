# SPDX-License-Identifier: Apache-2.0
"""What a start finds on a topic of a real Kafka broker when something was taken away meanwhile: records by compaction, the
position of a transactional id by whoever.  A second sink whose topic is missing keeps everything unconfirmed, so all of it is
offered again."""
import json
import subprocess
import time

import pytest

from leat_harness import kafka, wait
from leat_harness.leat import settle, start
from leat_harness.rows import ids, insert


@pytest.fixture
def topic(shared_broker, request):
    def make(mode="idempotent", **options):
        name = request.node.name.replace("[", ".").replace("]", "")
        return kafka.Target(shared_broker, mode, name, **options)
    return make


def missing(target):
    """A sink that waits for its topic."""
    options = {**target.options, "name": "waits", "route": f"{target.topic}.second", "create_topics": False}
    options.pop("transactional_id", None)
    return options


def wait_for(target, count):
    """So many messages are on the topic."""
    wait.until(lambda: target.topic in target.server.topics(), f"topic {target.topic}", pause=0.1)
    wait.until(lambda: len(target.server.messages(target.topic)) >= count, f"{count} messages on {target.topic}", pause=0.1)


def write_as_stranger(server, topic):
    """Closes the segment, once it is old enough, so that the cleaner may have it."""
    subprocess.run(["kcat", "-P", "-b", server.inner_address, "-t", topic, "-K", ":", "-p", "0", "-H", "leat-id=nobody:0/1:0"],
                   input="stranger:x\n", text=True, check=True)


def test_what_compaction_took_is_not_put_behind_what_it_left(table, leat, topic, shared_broker):
    target = topic(partitions=1, tombstones=True)
    shared_broker.create(target.topic, 1, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio=0.01,
                         delete_retention_ms=600000, max_compaction_lag_ms=100)
    target.options["routes"] = [{"op": "message", "route": f"{target.topic}.others"}]
    daemon = start(leat, table, target, missing(target))
    insert(table, 1, 5)
    for sql in ("UPDATE t SET v = 'two'", "UPDATE t SET id = id + 100 WHERE id = 4", "DELETE FROM t WHERE id = 5",
                "UPDATE t SET v = 'three'"):
        table.execute(sql)
    wait_for(target, 5 + 5 + 2 + 2 + 4)
    daemon.kill()

    def ours():
        return [message for message in shared_broker.messages(target.topic) if message.key != "stranger"]

    def cleaned():
        write_as_stranger(shared_broker, target.topic)
        return len(ours()) == 6
    wait.until(cleaned, "the cleaner", pause=0.2)
    shared_broker.create(f"{target.topic}.second")
    shared_broker.create(f"{target.topic}.others")
    daemon.start()
    daemon.wait_streaming(table)
    table.execute("INSERT INTO t VALUES (6, 'new')")
    settle(daemon, table)
    assert daemon.terminate() == 0
    left = ours()
    assert len(left) == 7 and len({message.key for message in left}) == 7, left
    rows = {json.loads(message.key)["id"]: json.loads(message.data)["after"]["v"] for message in left if message.data is not None}
    assert rows == dict(table.execute("SELECT id, v FROM t"))


@pytest.mark.parametrize("how", ["grown", "new", "late"])
def test_records_whose_position_is_not_to_be_found_are_not_sent_twice(how, table, leat, topic, shared_broker):
    """Its topic has more partitions than before, or was made anew, or the sink had no transactions before."""
    place = f"positions.{how}"
    target = topic("transactional", position_topic=place)
    shared_broker.create(place, 1, cleanup_policy="compact")
    daemon = start(leat, table, target, missing(target))
    ours = daemon.tree["pipelines"][0]["sinks"][0]
    name = ours["transactional_id"]
    if how == "late":  # what an idempotent sink sent
        daemon.kill()
        del ours["transactional_id"]
        daemon.write_config()
        daemon.start()
        daemon.wait_streaming(table)
    insert(table, 1, 300)
    wait_for(target, 300)
    daemon.kill()
    ours["transactional_id"] = name
    daemon.write_config()
    if how == "grown":
        shared_broker.grow(place, 7)
    elif how == "new":
        shared_broker.delete(place)
        wait.until(lambda: place not in shared_broker.topics(), "the topic to be gone")
        shared_broker.create(place, 1, cleanup_policy="compact")
    shared_broker.create(f"{target.topic}.second")
    daemon.start()
    daemon.wait_streaming(table)
    settle(daemon, table)  # of records that are all there already
    insert(table, 301, 400)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == list(range(1, 401))


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_a_record_that_is_late_is_not_refused_for_its_time(mode, table, leat, topic, shared_broker):
    """It waits in the broker's socket for longer than the topic lets a message be old."""
    target = topic(mode, partitions=1, topic_config={"message.timestamp.before.max.ms": "1000"})
    daemon = start(leat, table, target)
    insert(table, 1, 1)
    settle(daemon, table)
    shared_broker.pause()
    late = time.monotonic() + 2
    try:
        insert(table, 2, 2)
        wait.until(lambda: time.monotonic() > late, "the record to be late")
    finally:
        shared_broker.resume()
    settle(daemon, table)
    assert "Invalid timestamp (the clocks of this host" in daemon.stderr()
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == [1, 2]
