# SPDX-License-Identifier: Apache-2.0
"""The configuration that the documents begin with, word for word, from the first run on: every sink at once."""
import contextlib
import json
import re

import pytest

from leat_harness import kafka, nats, wait
from leat_harness.leat import command

CONFIG = """
state_directory: {folder}/state
plugins: {plugins}
memory: 256MiB
log: {{ level: info, format: text }}
http: {{ listen: "unix:{folder}/leat.sock" }}
pipelines:
  - name: shop
    source: {{ plugin: pgoutput, dsn: "{dsn}", slot: leat_shop, publication: leat_shop }}
    sinks:
      - {{ name: archive, plugin: file, directory: {folder}/shop, format: json }}
      - {{ name: bus, plugin: nats, url: "{url}", stream: SHOP, route: "cdc.{{schema}}.{{table}}.{{op}}" }}
      - {{ name: log, plugin: kafka, brokers: "{brokers}", route: "cdc.{{schema}}.{{table}}" }}
"""

HOSTILE = 'a.b c*>\u00e9"/..'


@pytest.fixture
def servers(own):
    bus, log = own(nats.Server, "debian"), own(kafka.Server)
    bus.wait_ready()
    log.start()
    with contextlib.closing(bus.client()) as client:
        client.create_stream("SHOP", ["cdc.>"])
    return bus, log


def test_the_sample_from_the_first_run_on(servers, db, leat):
    bus, log = servers
    quoted = HOSTILE.replace('"', '""')
    db.execute(f'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE f (id int PRIMARY KEY, v text); '
               f'CREATE TABLE "{quoted}" (id int PRIMARY KEY); ALTER TABLE f REPLICA IDENTITY FULL; '
               'CREATE TABLE big (id int PRIMARY KEY, n int, b text); ALTER TABLE big ALTER b SET STORAGE EXTERNAL; '
               'CREATE TABLE nokey (a int); CREATE PUBLICATION leat_shop FOR ALL TABLES')
    topics = {"t": "cdc.public.t", "f": "cdc.public.f", "big": "cdc.public.big", "nokey": "cdc.public.nokey"}
    for topic in topics.values():
        log.create(topic, partitions=2)
    daemon = leat(db.dsn(), slot="leat_shop")
    daemon.write_config(CONFIG.format(folder=daemon.folder, plugins=daemon.tree["plugins"], dsn=db.dsn(), url=bus.url,
                                      brokers=log.address))
    check = command("check", "-c", daemon.config)
    assert check.returncode == 0, check  # warnings at most
    daemon.start()
    daemon.wait_streaming(db, "leat_shop")
    db.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1; UPDATE t SET id = 3 WHERE id = 1; "
               "DELETE FROM t WHERE id = 2; INSERT INTO f VALUES (1, 'x'); UPDATE f SET v = 'y'; DELETE FROM f; "
               "INSERT INTO nokey VALUES (1); TRUNCATE t, f CASCADE; TRUNCATE t RESTART IDENTITY")
    db.execute("INSERT INTO big SELECT 1, 1, string_agg(md5(i::text), '') FROM generate_series(1, 300) i; UPDATE big SET n = 2")
    # Not the confirmation: an old NATS server's acknowledgements are held back for minutes (confirm_hold).
    wait.until(lambda: daemon.must_run() or len(daemon.lines(daemon.folder / "shop")) == 14, "the file's records")
    wait.until(lambda: len(bus.read("SHOP")) == 14, "the stream's messages")
    wait.until(lambda: sum(len(log.messages(topic)) for topic in topics.values()) >= 14, "the topics' records")
    records = [json.loads(line) for line in daemon.lines(daemon.folder / "shop")]
    told = [(record["op"], record["table"], record["seq"], "key" in record, "before" in record, "after" in record) for record in records]
    assert told == [
        ("insert", "t", 0, True, False, True), ("insert", "t", 1, True, False, True), ("update", "t", 2, True, False, True),
        ("update", "t", 3, True, False, True), ("delete", "t", 4, True, False, False),
        ("insert", "f", 5, True, False, True), ("update", "f", 6, True, True, True), ("delete", "f", 7, True, True, False),
        ("insert", "nokey", 8, False, False, True), ("truncate", "t", 9, False, False, False),
        ("truncate", "f", 10, False, False, False), ("truncate", "t", 11, False, False, False),
        ("insert", "big", 0, True, False, True), ("update", "big", 1, True, False, True)]
    assert records[3]["key"] == {"id": 1} and records[3]["after"]["id"] == 3  # the old key, since one was sent
    assert [(record["cascade"], record["restart_identity"]) for record in records[9:12]] == [(True, False)] * 2 + [(False, True)]
    assert records[13]["missing"] == ["b"] and records[13]["after"] == {"id": 1, "n": 2}
    assert all("missing" not in record for record in records[:13])
    order = ["op", "schema", "table", "lsn", "xid", "ts", "seq", "key", "before", "after", "missing", "cascade", "restart_identity"]
    for record in records:
        assert list(record) == [name for name in order if name in record]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record["ts"])
    # The same records, under the identity, in the stream and in the topics.
    messages = bus.read("SHOP")
    assert [json.loads(message.data) for message in messages] == records
    for message, record in zip(messages, records):
        assert message.headers["Nats-Msg-Id"] == f"leat_shop:{record['lsn']}:{record['seq']}"
        assert message.subject == f"cdc.public.{record['table']}.{record['op']}"
    for table, topic in topics.items():
        mine = log.messages(topic)
        assert {message.id.removesuffix("/tombstone") for message in mine} == {
            f"leat_shop:{record['lsn']}:{record['seq']}" for record in records if record["table"] == table}, mine
        for message in mine:
            if message.data is None:
                continue
            record = json.loads(message.data)
            new = {"id": record["after"]["id"]} if "key" in record and "after" in record else record.get("key")
            assert (json.loads(message.key) if message.key else None) == new, message
    assert daemon.terminate() == 0

    # A name that is anything but one token, a path or a topic.
    daemon.start()
    daemon.wait_streaming(db, "leat_shop")
    topic = "cdc.public." + re.sub(rb"[^A-Za-z0-9_]", lambda found: b"-%02x" % found[0][0], HOSTILE.encode()).decode()
    log.create(topic)
    db.execute(f'INSERT INTO "{quoted}" VALUES (1)')
    wait.until(lambda: len(log.messages(topic)) == 1, lambda: f"{topic}: {daemon.stderr_tail(5)}")
    last = wait.until(lambda: (lambda found: found[-1] if len(found) > len(records) else None)(bus.read("SHOP")), "the message")
    assert re.fullmatch(r"cdc\.public\.[^.*> ]+\.insert", last.subject), last
    assert json.loads(last.data)["table"] == HOSTILE
    assert daemon.terminate() == 0
    assert len(bus.read("SHOP")) == len(records) + 1  # a restart doubles nothing
