# SPDX-License-Identifier: Apache-2.0
"""A real cluster of three brokers, two of which have to have each record: what happens to brokers costs nothing, with neither
kind of producer.  Most tests are longer runs: LEAT_LONG=1.  LEAT_BROKER_AWAY is how many seconds a frozen leader stands
still (default 6, which is longer than its session; 30 or more for the full figure)."""
import functools
import json
import os
import random
import signal
import time

import pytest

from leat_harness import kafka, rows, wait
from leat_harness.fixtures import or_skip
from leat_harness.leat import settle, start
from leat_harness.rows import ids

insert = functools.partial(rows.insert, value="repeat(md5(g::text), 20)")
AWAY = float(os.environ.get("LEAT_BROKER_AWAY", "6"))
longer = pytest.mark.skipif(not os.environ.get("LEAT_LONG"), reason="a longer run: LEAT_LONG=1")


@pytest.fixture(scope="module")
def whole_cluster():
    made = or_skip(kafka.Cluster)
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture
def brokers(whole_cluster):
    whole_cluster.mend()
    return whole_cluster


@pytest.fixture
def topic(brokers):
    def make(mode, **options):
        target = kafka.Target(brokers, mode, f"t{random.randrange(1 << 40):x}", partitions=1, create_topics=False, name=mode,
                              **options)
        brokers.create(target.topic, 1, 3)
        if mode == "transactional" and "leat-positions" not in brokers.topics():
            brokers.create("leat-positions", 1, 3, cleanup_policy="compact")
        return target
    return make


@pytest.fixture
def both(topic, table, leat):
    """A daemon with a sink of each kind into the cluster, and the two topics."""
    targets = [topic(mode) for mode in kafka.Target.MODES]
    return start(leat, table, *targets), targets


def wait_for(target, count):
    """So many records are in the topic."""
    wait.until(lambda: len(target.server.messages(target.topic)) >= count, f"{count} records in {target.topic}", pause=0.1)


def followers(brokers, target):
    leader = brokers.leader(target.topic)
    return [node for node in brokers.nodes if node is not leader]


def end(daemon, db, targets, last):
    settle(daemon, db)
    assert daemon.terminate() == 0
    for target in targets:
        assert ids(target) == list(range(1, last + 1)), target.name


def test_a_leader_that_is_killed_under_load_costs_nothing(brokers, both, table):
    daemon, targets = both
    target = targets[0]
    insert(table, 1, 4000)
    wait_for(target, 200)  # the other sink may still be at its start
    leader = brokers.leader(target.topic)
    leader.kill()
    insert(table, 4001, 8000)
    settle(daemon, table)  # the two others suffice
    leader.start()  # on its old port
    wait.until(lambda: len(brokers.partition(target.topic)[1]) == 3, "the old leader to be a replica again")
    brokers.leader(target.topic).kill()
    insert(table, 8001, 9000)
    end(daemon, table, targets, 9000)


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_a_leader_that_has_just_died_is_not_waited_for(brokers, topic, table, leat, mode):
    """The others name it as long as its session lasts, so the sink's first question goes to one who never answers."""
    target = topic(mode)
    leader = brokers.leader("leat-positions" if mode == "transactional" else target.topic)
    leader.kill()
    daemon = start(leat, table, target)
    insert(table, 1, 1000)
    end(daemon, table, [target], 1000)


@longer
def test_a_leader_that_stands_still_and_comes_back_costs_nothing(brokers, both, table):
    """Others lead meanwhile; what lies in its sockets is read by one who leads no more."""
    daemon, targets = both
    target = targets[0]
    insert(table, 1, 3000)
    wait_for(target, 200)
    leader = brokers.leader(target.topic)
    leader.pause()
    back = time.monotonic() + AWAY
    insert(table, 3001, 6000)
    wait.until(lambda: time.monotonic() > back, "the time to pass", AWAY + 1)
    daemon.must_run()
    leader.resume()
    insert(table, 6001, 6500)
    end(daemon, table, targets, 6500)


@longer
def test_too_few_replicas_are_waited_for(brokers, both, table):
    daemon, targets = both
    target = targets[0]
    insert(table, 1, 500)
    settle(daemon, table)
    lost = followers(brokers, target)
    for node in lost:
        node.kill()
    insert(table, 501, 3000)
    last = table.lsn()
    wait.until(lambda: len(brokers.partition(target.topic)[1]) == 1, "the replicas to be missed")
    daemon.must_run()
    assert not table.caught_up(daemon.slot, last), "confirmed with one replica of two"
    for node in lost:
        node.launch()
    end(daemon, table, targets, 3000)


@longer
def test_a_restart_while_replicas_are_missing_doubles_nothing(brokers, both, table):
    """The leader may have records that no reader is shown before another replica has them."""
    daemon, targets = both
    target = targets[0]
    insert(table, 1, 500)
    settle(daemon, table)
    lost = followers(brokers, target)
    for node in lost:
        node.pause()  # the leader takes what comes, until it misses them
    insert(table, 501, 3000)
    wait.until(lambda: len(brokers.partition(target.topic)[1]) == 1, "the replicas to be missed")
    for node in lost:
        node.kill()
    daemon.kill()
    daemon.start()
    daemon.wait_streaming(table)
    insert(table, 3001, 3100)
    assert not table.caught_up(daemon.slot, table.lsn())
    for node in lost:
        node.launch()
    end(daemon, table, targets, 3100)


@longer
def test_a_restart_while_a_replica_stands_still_doubles_one_record_at_most(brokers, topic, table, leat):
    """It counts as in sync for a while, and nobody can know what the leader has behind what it may show: one record for each
    partition is sent to find out."""
    target = topic("idempotent", stall_check="1s")
    daemon = start(leat, table, target)
    insert(table, 1, 500)
    settle(daemon, table)
    still = followers(brokers, target)
    for node in still:
        node.pause()
    insert(table, 501, 3000)
    last = table.lsn()
    wait.until(lambda: table.scalar("SELECT sent_lsn >= %s::pg_lsn FROM pg_stat_replication", (last,)), "all to be sent")
    daemon.wait_log("brokers do not acknowledge")
    daemon.kill()
    said = len(daemon.stderr())
    daemon.start()
    daemon.wait_log("brokers do not acknowledge|replicas in sync", since=said)
    for node in still:
        node.resume()
    settle(daemon, table)
    assert daemon.terminate() == 0
    found = [int(json.loads(message.data)["after"]["id"]) for message in brokers.messages(target.topic)
             if json.loads(message.data)["op"] == "insert"]
    twice = {number for number in found if found.count(number) > 1}
    assert sorted(set(found)) == list(range(1, 3001)) and len(found) - 3000 == len(twice) <= 1, (len(found), sorted(twice)[:9])
    assert not twice or "came to light" in daemon.stderr()


@longer
def test_brokers_that_are_restarted_one_by_one_cost_nothing(brokers, both, table):
    daemon, targets = both
    target = targets[0]
    for turn, node in enumerate(brokers.nodes):
        insert(table, 1 + turn * 1000, 1000 + turn * 1000)
        node.process.send_signal(signal.SIGTERM)
        node.process.wait(wait.PATIENCE)
        node.start()
        wait.until(lambda: len(brokers.partition(target.topic)[1]) == 3, "all replicas")
    end(daemon, table, targets, 3000)
