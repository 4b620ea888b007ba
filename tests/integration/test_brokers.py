# SPDX-License-Identifier: Apache-2.0
"""From a real PostgreSQL through the real daemon into real brokers, and read back from them."""
import os
import random

import pytest

from leat_harness import kafka, nats, truth, workload
from leat_harness.leat import command

NATS = [(which, mode) for mode in nats.Target.MODES for which in nats.VERSIONS if (which, mode) != ("debian", "atomic")]


def names(pairs):
    return [f"{which}-{mode}" for which, mode in pairs]


@pytest.fixture
def bus(things):
    """Makes a stream on a server of its own."""
    def make(which="debian", mode="msg_id", **options):
        try:
            made = nats.Target(which, mode, **options)
        except nats.Unavailable as reason:
            pytest.skip(str(reason))
        things.append(made)
        return made
    return make


@pytest.fixture(scope="session")
def shared_broker():
    try:
        made = kafka.Server()
    except kafka.Unavailable as reason:
        pytest.skip(str(reason))
    made.start()
    yield made
    made.destroy()


@pytest.fixture
def log(shared_broker):
    """Makes a topic on the broker that the session shares."""
    def make(mode="idempotent", **options):
        return kafka.Target(shared_broker, mode, f"t{random.randrange(1 << 40):x}", **options)
    return make


def settle(daemon, db, timeout=60):
    """Returns when all that was committed is confirmed, so in every sink."""
    from leat_harness import wait
    daemon.send_fence(db)
    end = db.lsn()
    def confirmed():
        daemon.must_run()
        return db.caught_up(daemon.slot, end)
    wait.until(confirmed, lambda: f"{end} to be confirmed\n{daemon.stderr_tail()}", timeout)


def start(leat, db, *targets, **options):
    options.setdefault("pipeline", {"confirm_interval": "50ms"})
    daemon = leat(db.dsn(), sinks=[target if isinstance(target, dict) else target.sink() for target in targets], **options)
    daemon.start()
    daemon.wait_streaming(db)
    return daemon


# ---- the audit ---------------------------------------------------------------------------------------------------


def tell_the_truth(db, leat, target, sessions=4, transactions=120):
    seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
    print(f"LEAT_SEED={seed}")
    workload.set_up(db)
    first = db.lsn()
    daemon = start(leat, db, target)
    work = workload.Workload(db, seed, sessions, transactions=transactions).start()
    work.wait()
    work.finish()
    settle(daemon, db)
    assert daemon.terminate() == 0
    loose = [text for session in work.sessions for text in session.loose_messages]
    compared = truth.verify(db, target.lines(), first, seed, loose)
    print(f"{compared} changes of {work.committed()} transactions compared")
    assert compared > transactions
    return work


@pytest.mark.parametrize("which, mode", NATS, ids=names(NATS))
def test_a_stream_equals_the_audit(which, mode, db, leat, bus):
    tell_the_truth(db, leat, bus(which, mode))


@pytest.mark.parametrize("mode", kafka.Target.MODES)
def test_a_topic_equals_the_audit(mode, db, leat, log):
    tell_the_truth(db, leat, log(mode, tombstones=mode == "transactional"))


def test_a_transaction_is_seen_whole_or_not_at_all(db, leat, log):
    """What lies between two markers of Kafka's, which take an offset each, is one transaction of Kafka's."""
    target = log("transactional", partitions=1, transaction={"records": 400})
    db.execute("CREATE TABLE t (id int PRIMARY KEY, big text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(leat, db, target, pipeline={"confirm_interval": "50ms", "batch": {"size": "4KiB"}})
    sizes = [random.choice([1, 3, 30, 100]) for _ in range(150)] + [1500]
    at = 0
    for size in sizes:
        db.execute(f"INSERT INTO t SELECT g, repeat('x', 300) FROM generate_series({at}, {at + size - 1}) g")
        at += size
    settle(daemon, db)
    assert daemon.terminate() == 0
    messages = target.server.messages(target.topic)
    positions = [message.id.rsplit(":", 1)[0] for message in messages]
    assert len(messages) == at + 1
    cut = {positions[n] for n in range(1, len(messages))
           if messages[n].offset != messages[n - 1].offset + 1 and positions[n] == positions[n - 1]}
    large = {position for position in positions if positions.count(position) > 1000}
    assert cut == large, f"{len(cut)} transactions are in several of Kafka's"
