# SPDX-License-Identifier: Apache-2.0
"""The Kafka sink against a real broker: what is killed, paused or shut out loses and doubles nothing."""
import re
import subprocess
import threading

import pytest

import kafka_broker

REASON = kafka_broker.unavailable()
DRIVE = kafka_broker.find_drive()
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=f"Kafka: {REASON}"),
    pytest.mark.skipif(DRIVE is None, reason="Kafka: kafka_drive is not built"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    running = kafka_broker.Broker(tmp_path_factory.mktemp("kafka"))
    running.start()
    yield running
    running.kill()


class Drive:
    """The sink in a process of its own.  Lines that it prints are events."""

    def __init__(self, broker, topic, first, last, **options):
        command = [DRIVE, f"brokers={broker.address}", f"topic={topic}", f"first={first}",
                   f"count={last - first + 1}", "create=4", "size=200", "batch=500"]
        command += [f"{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        self.durable = first - 1
        self.lines = []
        self.timer = threading.Timer(120, self.process.kill)
        self.timer.start()

    def until(self, wanted):
        """Reads until a line matches, or the end; the match or None."""
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("durable "):
                self.durable = int(line.split()[1])
            match = re.search(wanted, line)
            if match:
                return match
        return None

    def until_durable(self, position):
        while self.durable < position:
            if self.until("^durable") is None:
                return

    def end(self):
        self.until("^never$")
        self.timer.cancel()
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.end()


def assert_exactly(broker, topic, first, last, isolation="read_committed"):
    newest, times = {}, {}
    for partition, _, name in broker.read(topic, isolation):
        position = int(name.split(":")[1].split("/")[1], 16)
        times[position] = times.get(position, 0) + 1
        assert position > newest.get(partition, 0), f"{name} is out of order in {partition}"
        newest[partition] = position
    lost = [p for p in range(first, last + 1) if p not in times]
    doubled = [p for p, n in times.items() if n > 1]
    assert (len(lost), len(doubled)) == (0, 0), f"lost {lost[:5]}, doubled {doubled[:5]}"
    assert len(times) == last - first + 1


def modes():
    return pytest.mark.parametrize("mode", ["idempotent", "transactional"])


def options_of(mode, topic):
    return {"transactional": topic, "transaction": 3000} if mode == "transactional" else {}


@modes()
def test_ten_kills_lose_and_double_nothing(broker, mode):
    topic, last, durable = f"kills-{mode}", 200000, 0
    for kill in range(10):
        # What is confirmed lags behind what is durable: up to 4,000 records are offered again.
        drive = Drive(broker, topic, max(1, durable - 4000), last, **options_of(mode, topic))
        drive.until_durable(durable + 5000 + 1000 * kill)
        drive.kill()
        durable = drive.durable
    drive = Drive(broker, topic, max(1, durable - 4000), last, **options_of(mode, topic))
    assert drive.end() == 0, drive.lines[-3:]
    assert_exactly(broker, topic, 1, last)


@modes()
def test_a_broker_that_is_killed_is_waited_for(broker, mode):
    topic, last = f"broker-kill-{mode}", 60000
    drive = Drive(broker, topic, 1, last, rate=20000, **options_of(mode, topic))
    for at in (10000, 30000):
        drive.until_durable(at)
        broker.kill()
        broker.start()
    assert drive.end() == 0, drive.lines[-3:]
    assert_exactly(broker, topic, 1, last)


@modes()
def test_an_old_connection_that_still_delivers_doubles_nothing(broker, mode):
    topic, last = f"zombie-{mode}", 40000
    drive = Drive(broker, topic, 1, last, rate=20000, **options_of(mode, topic))
    drive.until_durable(10000)
    broker.pause()  # what is in its sockets now is written when it goes on
    resumed = threading.Timer(3, broker.resume)
    resumed.start()
    drive.kill()
    drive = Drive(broker, topic, max(1, drive.durable - 2000), last, **options_of(mode, topic))
    assert drive.end() == 0, drive.lines[-3:]
    resumed.join()
    assert_exactly(broker, topic, 1, last)


def test_of_two_daemons_with_one_id_one_is_shut_out(broker):
    topic, last = "fencing", 60000
    first = Drive(broker, topic, 1, last, rate=10000, **options_of("transactional", topic))
    first.until_durable(5000)
    second = Drive(broker, topic, 1, last, rate=10000, **options_of("transactional", topic))
    codes = []
    other = threading.Thread(target=lambda: codes.append(second.end()))
    other.start()
    codes.append(first.end())
    other.join()
    assert 0 in codes, (first.lines[-3:], second.lines[-3:])
    ended = [line for line in first.lines + second.lines if line.startswith(("end", "retry", "restart"))]
    assert ended, "nobody was shut out"
    assert_exactly(broker, topic, 1, last)


def test_a_topic_is_not_created_unasked(broker):
    process = subprocess.run(
        ["timeout", "3", DRIVE, f"brokers={broker.address}", "topic=nobody-made-it", "count=5"],
        capture_output=True, text=True, check=False)
    assert "topic nobody-made-it does not exist; create it or set create_topics: true" \
        in process.stdout
    assert "nobody-made-it" not in broker.topics()
