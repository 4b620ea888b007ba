# SPDX-License-Identifier: Apache-2.0
"""`format: msgpack` with `routes:` in topics and in files, read by somebody else's decoder (Debian's python3-msgpack), and
compared with the same records in JSON."""
import json
import random
import struct
import subprocess

import pytest

from leat_harness import kafka, nats, records, zstd
from leat_harness.leat import settle, start

msgpack = pytest.importorskip("msgpack", reason="python3-msgpack is not installed (scripts/install-deps --test)")

TABLE = ("CREATE TABLE orders (id bigint PRIMARY KEY, status text, price numeric, weight float8, photo bytea, paid bool, "
         "at timestamptz, tags text[], doc jsonb); ALTER TABLE orders REPLICA IDENTITY FULL; CREATE PUBLICATION leat FOR TABLE orders")
ROW = ("(g, 'paid', g * 1.10, g / 3.0, decode(md5(g::text), 'hex'), g % 2 = 0, '2026-11-22 10:00:00.123456+00', ARRAY['a', NULL, 'é'], "
       "jsonb_build_object('n', g, 'deep', jsonb_build_array(1, 2.50, NULL, 'x')))")
FIRST_HALF = [f"INSERT INTO orders SELECT {ROW[1:-1]} FROM generate_series(1, 200) g",
              "INSERT INTO orders VALUES (-9007199254740993, NULL, 'NaN', -1e300, '', NULL, '-infinity', '{}', 'null')",
              "UPDATE orders SET weight = 0 WHERE id % 7 = 0"]
SECOND_HALF = ["UPDATE orders SET status = 'shipped' WHERE id % 3 = 0", "UPDATE orders SET status = status WHERE id % 5 = 0",
               "UPDATE orders SET status = NULL WHERE id = 4", "DELETE FROM orders WHERE id % 10 = 0"]


def routes(there, moved):
    return {"route": there, "routes": [{"match": "public.orders", "op": "update", "changed": ["status"], "route": moved}],
            "format": "msgpack"}


def is_moved(record):
    return record["op"] == "update" and record["before"]["status"] != record["after"]["status"]


def wanted_of(folder):
    """What the JSON sink has, with the types that MessagePack has and JSON has not."""
    found = [json.loads(line, parse_float=str) for line in records.lines(folder)]
    for record in found:
        for part in ("key", "before", "after"):
            row = record.get(part, {})
            if row.get("photo") is not None:
                row["photo"] = bytes.fromhex(row["photo"][2:])
            if row.get("price") is not None:
                row["price"] = str(row["price"])
            if row.get("weight") is not None:
                row["weight"] = float(row["weight"])
            if row.get("doc") not in (None, "null"):
                row["doc"]["deep"][1] = float(row["doc"]["deep"][1])
    return found


def unpack_all(data):
    """A sequence of objects, as a file or a packed message has it."""
    unpacker = msgpack.Unpacker(raw=False, strict_map_key=True, max_buffer_size=1 << 28)
    unpacker.feed(data)
    return list(unpacker)


def read_topic(server, topic):
    """(key, object) of every message: lengths in front, because the values hold every byte."""
    done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", server.inner_address, "-t", topic, "-o", "beginning", "-X",
                           "isolation.level=read_committed", "-f", "%K %k%R%s"], capture_output=True, timeout=60, check=True)
    data, found = done.stdout, []
    while data:
        size, data = data.split(b" ", 1)
        size = max(int(size), 0)  # -1: no key
        key, data = data[:size], data[size:]
        (size,) = struct.unpack(">I", data[:4])
        found.append((key, msgpack.unpackb(data[4:4 + size], raw=False)))
        data = data[4 + size:]
    return found


def read_folder(folder):
    found = []
    for path in sorted(folder.glob("[!.]*")):
        assert path.name.endswith((".msgpack", ".msgpack.zst")), path
        data = path.read_bytes()
        found += unpack_all(zstd.decode(data) if path.suffix == ".zst" else data)
    return found


def by_position(found):
    return sorted(found, key=lambda record: (records.lsn_number(record["lsn"]), record["seq"]))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_topics_files_and_streams_say_the_same_in_msgpack(compression, db, leat, scratch, own):
    server = own(kafka.Server)
    stream = own(nats.Target, "current", create={"subjects": ["cdc.>", "moved.>"]}, **routes("cdc.{table}", "moved.{key.id}"))
    server.start()
    name = f"t{random.randrange(1 << 40):x}"
    topic = kafka.Target(server, "transactional" if compression == "zstd" else "idempotent", name, **routes(name, f"{name}.moved"))
    plain = {"name": "plain", "plugin": "file", "directory": str(scratch / "plain")}
    packed = {"name": "packed", "plugin": "file", "directory": str(scratch / "packed"), "compression": compression,
              **routes("all", "moved")}
    db.execute(TABLE)
    daemon = start(leat, db, plain, packed, topic, stream)
    for sql in FIRST_HALF:
        db.execute(sql)
    daemon.kill()  # and everybody goes on behind what he has
    daemon.start()
    daemon.wait_streaming(db)
    for sql in SECOND_HALF:
        db.execute(sql)
    settle(daemon, db)
    assert daemon.terminate() == 0
    wanted = wanted_of(scratch / "plain")
    rest, moved = ([record for record in wanted if is_moved(record) is here] for here in (False, True))
    assert len(moved) > 60 and len(rest) > 240
    assert read_folder(scratch / "packed" / "all") == rest
    assert read_folder(scratch / "packed" / "moved") == moved
    for where, records_ in ((name, rest), (f"{name}.moved", moved)):
        messages = read_topic(server, where)
        assert by_position(record for _, record in messages) == records_
        assert all(json.loads(key or "null") == record.get("key") for key, record in messages)
    sent = stream.messages()
    assert [msgpack.unpackb(message.data) for message in sent] == wanted
    assert {message.subject for message in sent if message.subject.startswith("moved.")} == {
        f"moved.{record['key']['id']}" for record in moved}


def test_timestamps_as_the_extension_type(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, at timestamptz); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(leat, db, {"name": "packed", "plugin": "file", "directory": str(scratch / "out"), "format": "msgpack",
                              "timestamp": "extension"})
    db.execute("INSERT INTO t VALUES (1, '2026-11-22 10:00:00.123456+02'), (2, '1901-01-01'), (3, 'infinity')")
    settle(daemon, db)
    assert daemon.terminate() == 0
    rows = [record for record in read_folder(scratch / "out") if record["op"] == "insert"]
    first, second, third = (row["after"]["at"] for row in rows)
    assert (first.seconds, first.nanoseconds) == (1795334400, 123456000)
    assert second.seconds == -2177452800 and third == "infinity"
    assert all(isinstance(row["ts"], msgpack.Timestamp) for row in rows)
