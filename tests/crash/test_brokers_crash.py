# SPDX-License-Identifier: Apache-2.0
"""Faults under a workload with NATS and Kafka at the end.  LEAT_BROKER_FAULTS is the count for each target (default
6; 3 with Kafka, whose broker is slow to start), LEAT_KILL_ROWS the rows of the test with ten kills (default 20000; 200000 for the full figure)."""
import os
import random

import pytest

from broker_storm import BrokerStorm, Load
from leat_harness import kafka, nats

TARGETS = ["nats-debian-msg_id", "nats-current-sequence", "nats-current-packed", "nats-current-atomic",
           "kafka-idempotent", "kafka-transactional"]


def make_target(name):
    kind, *rest = name.split("-")
    if kind == "nats":
        return nats.Target(*rest)
    server = kafka.Server()
    server.start()
    # Small transactions: with large ones a few commits are all there is, and kills find nothing in flight.
    target = kafka.Target(server, *rest, **({"transaction": {"records": 1000}} if "transactional" in rest else {}))
    target.destroy = server.destroy
    return target


@pytest.fixture
def run_of(own, things):
    def make(*args, **options):
        made = own(*args, **options)
        things.append(made.daemon)  # its last words belong to the report
        return made
    return make


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_lost_or_doubled_after_faults_of(name, run_of):
    seed = os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))
    print(f"LEAT_SEED={seed}")
    s = run_of(BrokerStorm, seed, lambda: make_target(name), say=print)
    for _ in range(int(os.environ.get("LEAT_BROKER_FAULTS", "3" if name.startswith("kafka") else "6"))):
        s.strike()
    assert s.verify() > 0


@pytest.mark.parametrize("name", TARGETS)
def test_ten_kills_lose_and_double_nothing_in(name, run_of):
    # Kafka takes 20,000 in two breaths, and then every kill comes too late.
    rows = int(os.environ.get("LEAT_KILL_ROWS", "200000" if name == "kafka-idempotent" else "20000"))
    load = run_of(Load, lambda: make_target(name), rows, print)
    assert load.kill_often(10, 3) >= 3
    assert load.count() == (0, 0)
