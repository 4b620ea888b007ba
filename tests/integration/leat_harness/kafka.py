# SPDX-License-Identifier: Apache-2.0
"""A topic of a real Kafka broker as the end of a pipeline, read back by kcat with read_committed."""
import json
import pathlib
import subprocess
import sys

from . import places, records

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kafka"))
import kafka_broker  # noqa: E402
import kafka_cluster  # noqa: E402


class Message:
    __slots__ = ("partition", "offset", "key", "id", "data")

    def __init__(self, partition, offset, key, name, data):
        self.partition, self.offset, self.key, self.id, self.data = partition, offset, key, name, data

    def __repr__(self):
        return f"{self.partition}/{self.offset} {self.id} {self.key!r} {(self.data or 'null')[:300]}"


class Server(kafka_broker.Broker):
    """The broker in a folder that goes away with it."""

    def __init__(self, *args, **options):
        reason = kafka_broker.unavailable()
        if reason:
            raise places.Unavailable(f"Kafka: {reason}")
        self.folder = places.new_folder("k")
        super().__init__(self.folder, *args, **options)

    def destroy(self):
        self.kill()
        places.remove(self.folder)

    def messages(self, topic):
        return read(self, topic)


class Cluster(kafka_cluster.Cluster):
    """Three of them, and a controller."""

    def __init__(self, **options):
        reason = kafka_broker.unavailable()
        if reason:
            raise places.Unavailable(f"Kafka: {reason}")
        self.folder = places.new_folder("k")
        super().__init__(self.folder, **options)

    def destroy(self):
        super().destroy()
        places.remove(self.folder)

    def messages(self, topic):
        return read(self, topic)


def read(server, topic):
    """Every committed Message, partition by partition in its order."""
    done = subprocess.run(
        ["kcat", "-C", "-e", "-q", "-m", "60", "-b", server.inner_address, "-t", topic, "-o", "beginning", "-X",
         "isolation.level=read_committed", "-f", "%p\t%o\t%K\t%k\t%h\t%S\t%s\n"],
        capture_output=True, timeout=180, check=True)
    found = []
    for line in done.stdout.decode("utf-8").split("\n")[:-1]:
        partition, offset, key_size, key, headers, size, data = line.split("\t", 6)
        name = headers.split("leat-id=", 1)[1].split(",")[0]
        found.append(Message(int(partition), int(offset), None if key_size == "-1" else key, name,
                             None if size == "-1" else data))
    return sorted(found, key=lambda message: (message.partition, message.offset))


class Target:
    """One topic for everything.  Between partitions only the identity knows the order."""

    MODES = ["idempotent", "transactional"]

    def __init__(self, server, mode="idempotent", topic="leat", partitions=3, **options):
        self.server, self.topic, self.mode, self.partitions = server, topic, mode, partitions
        self.name = f"kafka {mode}"
        self.options = {"name": "log", "plugin": "kafka", "brokers": server.address, "route": topic,
                        "create_topics": True, "partitions": partitions, "replication_factor": 1,
                        "stall_check": "3s", "retry_max": "1s", "scan": {"settle": "300ms"},
                        **({"transactional_id": f"id-{topic}"} if mode == "transactional" else {}), **options}

    def sink(self):
        return self.options

    def kill(self):
        self.server.kill()

    def start(self):
        self.server.start()

    def pause(self):
        self.server.pause()

    def resume(self):
        self.server.resume()

    def lines(self, slot="leat"):
        """Every record as a line of JSON.  Each partition ascends, a key stays in its partition, and what is sent in
        two messages is there in two."""
        if self.mode == "transactional":
            kafka_broker.settle(self.server.inner_address, self.topic)
        found, newest, latest, home, nulls = [], {}, {}, {}, set()
        for message in self.server.messages(self.topic):
            name, lsn, seq = message.id.removesuffix("/tombstone").rsplit(":", 2)
            position = records.lsn_number(lsn), int(seq)
            assert name == slot, message
            assert latest.get(message.partition, (0, -2)) <= position, f"out of order: {message}"
            latest[message.partition] = position
            if message.key is not None:  # the murmur2 of a key does not know its table
                assert home.setdefault(message.key, message.partition) == message.partition, message
            if message.data is None:
                assert message.id.endswith("/tombstone") and message.id not in nulls, f"twice: {message}"
                nulls.add(message.id)
                continue
            record = json.loads(message.data)
            assert (lsn, int(seq)) == (record["lsn"], record["seq"]), message
            assert newest.get(message.partition, (0, -2)) < position, f"twice: {message}"
            newest[message.partition] = position
            found.append((position, message.data))
        found.sort(key=lambda pair: pair[0])
        return [line for _, line in found]
