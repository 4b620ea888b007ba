# SPDX-License-Identifier: Apache-2.0
"""A random workload of many sessions: the records equal what the triggers wrote down."""
import os
import random

import pytest

from leat_harness.fixtures import cluster_of
from leat_harness import truth, versions, workload


def seed():
    return os.environ.get("LEAT_SEED") or str(random.randrange(1 << 30))


def run(db, leat, sessions, transactions, **options):
    number = seed()
    print(f"LEAT_SEED={number}")
    workload.set_up(db)
    first = db.lsn()
    daemon = leat(db.dsn(), **options).start()
    daemon.wait_streaming(db)
    work = workload.Workload(db, number, sessions, transactions=transactions).start()
    work.wait()
    work.finish()
    daemon.fence(db)
    assert daemon.terminate() == 0
    loose = [text for session in work.sessions for text in session.loose_messages]
    compared = truth.verify(db, daemon.lines(), first, number, loose)
    print(f"{compared} changes of {work.committed()} transactions compared")
    assert compared > transactions
    return compared


@pytest.mark.subset
def test_records_equal_the_audit(db, leat):
    run(db, leat, sessions=6, transactions=int(os.environ.get("LEAT_TRUTH_TRANSACTIONS", "250")))


def test_records_equal_the_audit_through_small_segments(db, leat):
    run(db, leat, sessions=3, transactions=100, sink={"compression": "zstd", "rotate_size": "64KiB"},
        top={"memory": "16MiB"})


@pytest.mark.parametrize("major", versions.OTHERS)
def test_records_equal_the_audit_on_other_versions(major, things, leat):
    db = cluster_of(major).new_database()
    things.append(db)
    run(db, leat, sessions=3, transactions=60)
