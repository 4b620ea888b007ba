# SPDX-License-Identifier: Apache-2.0
"""Records that a stream or a topic will never take: they stop the line, or become dead letters, and neither a restart nor the
cure loses or doubles anything."""
import contextlib
import json
import random
import re
import time

import pytest

from leat_harness import kafka, wait
from leat_harness.leat import settle, start
from leat_harness.rows import ids

KINDS = ["nats-debian-msg_id", "nats-current-sequence", "nats-current-packed", "nats-current-atomic", "kafka-idempotent",
         "kafka-transactional"]
LARGE = 1500000  # bytes; a server takes 1 MiB
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def make(request, nats_target):
    """A target of one of the kinds."""
    def make(kind, **options):
        which, *rest = kind.split("-")
        if which == "kafka":
            return kafka.Target(request.getfixturevalue("shared_broker"), *rest, f"t{random.randrange(1 << 40):x}", partitions=1,
                                topic_config={"max.message.bytes": "4000000"}, **options)
        return nats_target(*rest, **options)
    return make


def write(db, large=LARGE):
    """Rows 1 to 600, of which 301 is too large; one transaction has it in its middle."""
    db.execute("INSERT INTO t SELECT g, 'v' FROM generate_series(1, 200) g")
    db.execute("BEGIN; INSERT INTO t SELECT g, 'v' FROM generate_series(201, 300) g; "
               f"INSERT INTO t VALUES (301, repeat('x', {large})); "
               "INSERT INTO t SELECT g, 'v' FROM generate_series(302, 400) g; COMMIT")
    db.execute("INSERT INTO t SELECT g, 'v' FROM generate_series(401, 600) g")


def limit_stream(target, **limits):
    with contextlib.closing(target.server.client()) as client:
        config = client.request("$JS.API.STREAM.INFO.LEAT")["config"]
        client.api("STREAM.UPDATE.LEAT", {**config, **limits})


@kinds
def test_a_record_that_is_too_large_stops_the_line_until_that_is_mended(kind, make, table, leat):
    target = make(kind)
    daemon = start(leat, table, target)
    write(table)
    for turn in range(2):  # it ends each time that it comes to the record
        if turn:
            daemon.start()
        assert daemon.wait_exit() == 78, daemon.stderr_tail()
        last = daemon.last_line()
        assert "on_reject" in last and '"public"."t"' in last and "xxxx" not in daemon.stderr(), last
        assert ids(target) == list(range(1, 301)) or kind.endswith("atomic") and ids(target) == list(range(1, 201))
    if kind.startswith("kafka"):
        target.options["max_message"] = 4000000
    else:
        target.kill()
        with open(target.server.folder / "conf", "a", encoding="utf-8") as config:
            config.write("max_payload: 8MB\n")
        target.start()
        target.server.wait_ready()
    daemon.write_config()
    daemon.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 601))


@pytest.mark.parametrize("kind", KINDS[:4])
def test_a_limit_that_is_raised_is_asked_for_before_a_record_is_given_up(kind, make, table, leat, scratch):
    """A server tells a new max_payload to new connections only."""
    target = make(kind, on_reject="dead_letter", dead_letter=str(scratch / "dead"))
    daemon = start(leat, table, target)
    table.execute("INSERT INTO t VALUES (0, 'v')")
    settle(daemon, table)
    asked = time.monotonic()
    target.server.reconfigure("max_payload: 8MB")
    wait.until(lambda: time.monotonic() - asked > 5.5, "an answer of earlier to be old")
    write(table)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(601))
    assert "no acknowledgement" not in daemon.stderr()  # nor was the quiet time held against the server
    assert not any(path.read_text() for path in (scratch / "dead").iterdir())


@kinds
def test_a_dead_letter_is_written_once_whatever_is_killed(kind, make, table, leat, scratch):
    """Nothing is confirmed before the kill, so everything comes again, the record that is refused, too."""
    target = make(kind, on_reject="dead_letter", dead_letter=str(scratch / "dead"))
    daemon = start(leat, table, target, pipeline={"confirm_interval": "10m"})
    write(table)
    for _ in range(3):
        daemon.wait_log("kept as a dead letter")
        wait.until(lambda: len(ids(target)) == 599, lambda: f"the others\n{daemon.stderr_tail()}")
        daemon.kill()
        daemon.start()
        daemon.wait_streaming(table)
    table.execute("INSERT INTO t VALUES (601, 'v')")
    wait.until(lambda: ids(target)[-1] == 601, "the last row")
    assert daemon.terminate() == 0
    assert ids(target) == [*range(1, 301), *range(302, 602)]
    letters = [json.loads(line) for path in (scratch / "dead").iterdir() for line in path.read_text().splitlines()]
    assert [letter["record"]["after"]["id"] for letter in letters] == [301], [letter["reason"] for letter in letters]
    assert letters[0]["seq"] == 100 and re.search("limit|max_message", letters[0]["reason"])


@pytest.mark.parametrize("kind", KINDS[:4])
@pytest.mark.parametrize("policy", ["stop", "dead_letter"])
def test_a_limit_that_a_stream_gets_on_the_way(policy, kind, make, table, leat, scratch):
    """Err 10054 comes back from the server, when messages behind the refused one are stored already; for a pack that is larger
    than the limit though none of its records is; and for an atomic batch without a word of which message."""
    letters = {"on_reject": "dead_letter", "dead_letter": str(scratch / "dead")} if policy == "dead_letter" else {}
    target = make(kind, **letters)
    daemon = start(leat, table, target)
    table.execute("INSERT INTO t VALUES (0, 'v')")
    settle(daemon, table)
    limit_stream(target, max_msg_size=3000)
    write(table, 5000)
    if policy == "dead_letter":
        settle(daemon, table)
        assert daemon.terminate() == 0
        assert sorted(ids(target)) == [*range(301), *range(302, 601)]
        (letter,) = [json.loads(line) for path in (scratch / "dead").iterdir() for line in path.read_text().splitlines()]
        assert letter["record"]["after"]["id"] == 301
        return
    assert daemon.wait_exit() == 78, daemon.stderr_tail()
    assert set(ids(target)) >= set(range(201)) and 301 not in ids(target)
    assert set(ids(target)) >= set(range(301)) or kind.endswith("atomic")
    limit_stream(target, max_msg_size=-1)
    daemon.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert sorted(ids(target)) == list(range(601))
