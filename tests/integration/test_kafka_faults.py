# SPDX-License-Identifier: Apache-2.0
"""What can go wrong between the daemon and a real Kafka broker: nothing is lost, nothing comes twice, and it says why it
waits.  LEAT_BROKER_AWAY is how many seconds a broker is dead or frozen (default 6; 180 for the full figure).

What takes more than one broker is in test_kafka_cluster.py; what a broker cannot be made to say at will is tried on librdkafka's
mock cluster (tests/unit/kafka/test_kafka_faults.c); kills of the daemon and old connections are in tests/integration/kafka
and tests/crash.  tests/FAULTS.md has every row."""
import json
import os
import subprocess
import time

import pytest

from leat_harness import kafka, places, records, wait
from leat_harness.leat import command, settle, start
from leat_harness.rows import ids, insert

AWAY = float(os.environ.get("LEAT_BROKER_AWAY", "6"))


@pytest.fixture
def topic(shared_broker, request):
    def make(mode="idempotent", server=None, **options):
        name = request.node.name.replace("[", ".").replace("]", "")
        return kafka.Target(server or shared_broker, mode, name, **options)
    return make


# ---- a broker that is away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how, mode", [("kill", "idempotent"), ("freeze", "idempotent"), ("freeze", "transactional")])
def test_a_broker_that_is_away_for_long_is_waited_for_in_bounded_memory(how, mode, table, leat, topic):
    target = topic(mode, stall_warning="2s")
    daemon = start(leat, table, target, top={"memory": "32MiB"})
    insert(table, 1, 500)
    settle(daemon, table)
    said = len(daemon.stderr())
    (target.kill if how == "kill" else target.pause)()
    back = time.monotonic() + AWAY
    try:
        for part in range(10):  # more than the memory holds
            insert(table, 501 + part * 2000, 2500 + part * 2000, "repeat(md5(g::text), 100)")
        end = table.lsn()
        daemon.wait_log("oldest record is not acknowledged.*waits_for=", since=said)  # who waits, for what
        daemon.wait_log("brokers do not acknowledge|no broker is reachable|no broker of", since=said)
        wait.until(lambda: time.monotonic() > back, "the time to pass", AWAY + 1)
        daemon.must_run()
        assert not table.caught_up(daemon.slot, end), "confirmed without a broker"
        if not places.SANITIZED:
            assert daemon.memory() < 100 * 1024 * 1024
    finally:
        (target.start if how == "kill" else target.resume)()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == list(range(1, 20501))


@pytest.mark.root
def test_a_broker_whose_disk_is_full_loses_and_doubles_nothing(table, leat, own, topic):
    server = own(kafka.Server)
    disk = server.folder / "logs"
    kept = server.folder / "formatted"
    disk.rename(kept)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", disk], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", disk], check=True)
        server.start()
        target = topic(server=server, compression="none", partitions=1)
        daemon = start(leat, table, target)
        insert(table, 1, 100)
        settle(daemon, table)
        for part in range(8):  # 40 MB
            insert(table, 101 + part * 500, 600 + part * 500, "(SELECT string_agg(md5((g * 1000 + i)::text), '') "
                                                              "FROM generate_series(1, 320) i)")
        end = table.lsn()
        server.process.wait(wait.PATIENCE)  # a broker without a disk gives up
        daemon.must_run()
        assert not table.caught_up(daemon.slot, end)
        subprocess.run(["mount", "-o", "remount,size=400m", disk], check=True)
        server.start()
        settle(daemon, table)
        assert daemon.terminate() == 0
        assert sorted(ids(target)) == list(range(1, 4101))
    finally:
        server.kill()
        subprocess.run(["umount", disk], check=True)


# ---- topics ----------------------------------------------------------------------------------------------------------


def test_partitions_that_are_added_break_no_order_unsaid(table, leat, topic, shared_broker):
    target = topic(partitions=2)
    daemon = start(leat, table, target)
    insert(table, 1, 200)
    settle(daemon, table)
    shared_broker.grow(target.topic, 6)
    table.execute("UPDATE t SET v = 'grown'")
    settle(daemon, table)
    assert {message.partition for message in shared_broker.messages(target.topic)} <= {0, 1}, "keys moved on the way"
    assert "keys go to other partitions" not in daemon.stderr()
    assert daemon.terminate() == 0
    said = len(daemon.stderr())
    daemon.start()
    daemon.wait_streaming(table)
    table.execute("UPDATE t SET v = 'moved'")
    settle(daemon, table)
    daemon.wait_log("keys go to other partitions than before.*partitions=6", since=said)
    assert daemon.terminate() == 0
    newest, seen = {}, {}
    for message in shared_broker.messages(target.topic):
        name = tuple(message.id.rsplit(":", 2)[1:])
        position = records.lsn_number(name[0]), int(name[1])
        assert newest.get(message.partition, (0, -2)) < position, message
        newest[message.partition] = position
        seen[position] = message
    assert len(seen) == len(shared_broker.messages(target.topic))
    final = [json.loads(seen[position].data) for position in sorted(seen)]
    assert sorted(record["after"]["id"] for record in final if record["op"] == "update" and record["after"]["v"] == "moved") \
        == list(range(1, 201))
    assert len({message.partition for message in seen.values()}) == 6


def test_a_topic_is_created_as_it_is_configured(table, leat, topic, shared_broker):
    target = topic(partitions=5, topic_config={"retention.ms": "7200000", "max.message.bytes": "2000000"})
    daemon = start(leat, table, target)
    insert(table, 1, 10)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert shared_broker.setting(target.topic, "retention.ms") == "7200000"
    assert shared_broker.setting(target.topic, "max.message.bytes") == "2000000"


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_a_topic_that_is_deleted_on_the_way_is_named_and_waited_for(mode, table, leat, topic, shared_broker):
    target = topic(mode, create_topics=False, stall_check="1s", partitions=1)
    shared_broker.create(target.topic)
    if mode == "transactional" and "leat-positions" not in shared_broker.topics():
        shared_broker.create("leat-positions", cleanup_policy="compact")
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    settle(daemon, table)
    said = len(daemon.stderr())
    shared_broker.delete(target.topic)
    insert(table, 101, 200)
    end = table.lsn()
    daemon.wait_log(f"topic {target.topic}.* (does not exist|was not taken|Unknown topic)", since=said)
    assert not table.caught_up(daemon.slot, end)
    wait.until(lambda: target.topic not in shared_broker.topics(), "the topic to be gone")
    shared_broker.create(target.topic)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == list(range(101, 201))


def test_a_compacted_topic_ends_right_when_keys_change(table, leat, topic, shared_broker):
    """What compaction leaves is the last message of each key; a null value is no row."""
    target = topic(partitions=3, tombstones=True)
    shared_broker.create(target.topic, 3, cleanup_policy="compact")
    # Such a topic takes nothing without a key.
    target.options["routes"] = [{"op": "message", "route": f"{target.topic}.others"}]
    daemon = start(leat, table, target)
    insert(table, 1, 300)
    for sql in ("UPDATE t SET id = id + 1000 WHERE id % 3 = 0", "UPDATE t SET v = 'w' WHERE id % 5 = 0", "DELETE FROM t WHERE id % 7 = 0",
                "UPDATE t SET id = id - 1000, v = 'back' WHERE id > 1000 AND id % 2 = 0", "UPDATE t SET id = id + 5000 WHERE id < 20",
                "INSERT INTO t VALUES (7, 'again')"):
        table.execute(sql)
    settle(daemon, table)
    assert daemon.terminate() == 0
    last = {}
    for message in shared_broker.messages(target.topic):
        if message.key is not None:
            assert last.setdefault(message.key, message).partition == message.partition
            last[message.key] = message
    left = {json.loads(key)["id"]: json.loads(message.data)["after"]["v"] for key, message in last.items()
            if message.data is not None}
    assert left == dict(table.execute("SELECT id, v FROM t"))


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_what_real_compaction_leaves_is_the_table(mode, table, leat, topic, shared_broker):
    """The broker's cleaner takes what it may, while keys change and change back; a reader of what is left has the table."""
    target = topic(mode, partitions=3)
    shared_broker.create(target.topic, 3, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio=0.01,
                         delete_retention_ms=0, max_compaction_lag_ms=100)
    target.options["routes"] = [{"op": "message", "route": f"{target.topic}.others"}]
    daemon = start(leat, table, target)
    insert(table, 1, 300)
    for turn in range(6):
        for sql in ("UPDATE t SET id = id + 1000 WHERE id % 3 = 0 AND id < 1000", f"UPDATE t SET v = 'w{turn}' WHERE id % 2 = 0",
                    "UPDATE t SET id = id - 1000, v = 'back' WHERE id > 1000 AND id % 4 = 0", f"DELETE FROM t WHERE id % 50 = {turn}",
                    f"INSERT INTO t VALUES ({50 + turn}, 'again') ON CONFLICT DO NOTHING"):
            table.execute(sql)
        settle(daemon, table)  # and so the segments are older than 100 ms before the next turn

    def cleaned():
        """Each look adds to rows that no reader minds, so that the last segment of each partition is closed."""
        table.execute("INSERT INTO t SELECT -g, 'x' FROM generate_series(1, 30) g ON CONFLICT (id) DO UPDATE SET v = t.v || 'x'")
        settle(daemon, table)
        messages = [message for message in shared_broker.messages(target.topic) if not message.key.startswith('{"id":-')]
        return messages if len(messages) == len({message.key for message in messages}) else None
    messages = wait.until(cleaned, "the cleaner", pause=0.2)
    assert daemon.terminate() == 0
    last = {json.loads(message.key)["id"]: json.loads(message.data or "{}") for message in messages}
    left = {key: record["after"]["v"] for key, record in last.items() if "after" in record}  # not: a null value, a delete
    assert left == dict(table.execute("SELECT id, v FROM t WHERE id > 0")) and len(left) > 200


# ---- permissions -----------------------------------------------------------------------------------------------------


@pytest.fixture
def strict_broker(own):
    """Who logs in as leat may do nothing but what an ACL allows."""
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    server = own(kafka.Server, protocol="SASL_PLAINTEXT", extra=f"""
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
auto.create.topics.enable=false
listener.name.client.sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config={login} user_leat="secret";
""")
    server.start()
    return server


def test_a_topic_that_is_forbidden_is_named_and_taken_up_when_it_is_allowed(table, leat, topic, strict_broker):
    sasl = {"mechanism": "PLAIN", "username": "leat", "password": "secret"}
    target = topic(server=strict_broker, create_topics=False, sasl=sasl, stall_check="1s", partitions=1)
    strict_broker.create(target.topic)
    status, said = check(leat, table, target.sink())
    assert status in (77, 78) and target.topic in said and "secret" not in said, said
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    daemon.wait_log(f"{target.topic}.*(?i:authorization)")
    strict_broker.allow(target.topic, "leat")
    settle(daemon, table)
    said = len(daemon.stderr())
    strict_broker.deny(target.topic, "leat")
    insert(table, 101, 200)
    end = table.lsn()
    daemon.wait_log(f"{target.topic}.*(?i:authorization)", since=said)
    assert not table.caught_up(daemon.slot, end)
    strict_broker.allow(target.topic, "leat")
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == list(range(1, 201))


# ---- records that are refused ----------------------------------------------------------------------------------------


def test_a_record_that_is_too_large_stops_the_line_unless_told_otherwise(table, leat, topic):
    target = topic(partitions=1)
    daemon = start(leat, table, target)
    insert(table, 1, 50)
    settle(daemon, table)
    table.execute("INSERT INTO t VALUES (51, repeat('x', 1500000))")
    insert(table, 52, 60)
    assert daemon.wait_exit() in (65, 70, 74, 78)
    last = daemon.last_line()
    assert "max_message" in last and "on_reject" in last and "xxxx" not in daemon.stderr(), last
    assert sorted(ids(target)) == list(range(1, 51))
    daemon.tree["pipelines"][0]["sinks"][0]["max_message"] = 4000000
    daemon.write_config()
    daemon.start()
    daemon.wait_log("(?i)too large|refused|rejects")  # the topic's own limit is smaller
    daemon.kill()
    assert sorted(ids(target)) == list(range(1, 51))


# ---- check -----------------------------------------------------------------------------------------------------------


def check(leat, db, sink):
    daemon = leat(db.dsn(), sinks=[sink])
    done = command("check", "-c", daemon.config)
    return done.returncode, done.stdout + done.stderr


def test_check_finds_what_a_topic_would_lose(table, leat, topic, shared_broker):
    target = topic(create_topics=False)
    shared_broker.create(target.topic, 1, 1, min_insync_replicas=1, unclean_leader_election_enable="true", max_message_bytes=5000)
    status, said = check(leat, table, target.sink())
    assert status == 0, said
    for words in ("has one replica", "min.insync.replicas is 1", "unclean leader election is on", "max.message.bytes is 5000",
                  "min.insync.replicas=2", "--add-config unclean.leader.election.enable=false"):
        assert words in said, said


def test_check_finds_what_cannot_work(table, leat, topic, shared_broker):
    target = topic()
    status, said = check(leat, table, {**target.sink(), "replication_factor": 3})
    assert status == 78 and "replication_factor is 3, and there is 1 broker" in said, said
    shared_broker.create(f"{target.topic}-positions")
    status, said = check(leat, table, {**target.sink(), "transactional_id": "x", "position_topic": f"{target.topic}-positions"})
    assert status == 78 and "is not compacted" in said and "cleanup.policy=compact" in said, said
    status, said = check(leat, table, {**target.sink(), "properties": {"acks": "1"}})
    assert status == 78 and "property acks is refused" in said, said


def test_check_names_a_wrong_password(table, leat, topic, strict_broker):
    sasl = {"mechanism": "PLAIN", "username": "leat", "password": "guess"}
    status, said = check(leat, table, topic(server=strict_broker, sasl=sasl).sink())
    assert status == 77 and "guess" not in said, said


# ---- the position of a transactional id ---------------------------------------------------------------------------------


def test_a_transactional_id_of_another_stream_is_refused(table, leat, topic):
    target = topic("transactional")
    daemon = start(leat, table, target)
    insert(table, 1, 10)
    settle(daemon, table)
    assert daemon.terminate() == 0
    other = leat(table.dsn(), slot=f"other_{os.getpid()}", sinks=[target.sink()])
    other.start()
    assert other.wait_exit() == 78
    assert "belongs to another stream" in other.last_line()
