# SPDX-License-Identifier: Apache-2.0
"""The Kafka sink against a real broker: what is killed, paused or shut out loses and doubles nothing."""
import re
import signal
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
                   f"count={last - first + 1}", "create=4"]
        options = {"size": 200, "batch": 500, **options}
        command += [f"{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        self.durable = first - 1
        self.lines = []
        self.timer = threading.Timer(300, self.process.kill)
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
        if not name.startswith("slot:"):
            continue  # somebody else's
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
    topic, last, durable = f"kills-{mode}", 100000, 0
    for kill in range(10):
        # What is confirmed lags behind what is durable: up to 4,000 records are offered again.
        drive = Drive(broker, topic, max(1, durable - 4000), last, **options_of(mode, topic))
        drive.until_durable(durable + 2500 + 500 * kill)
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
    assert set(codes) <= {0, 78} and 0 in codes, (codes, first.lines[-3:], second.lines[-3:])
    ended = [line for line in first.lines + second.lines if line.startswith(("end", "retry", "restart"))]
    assert ended, "nobody was shut out"
    assert_exactly(broker, topic, 1, last)


def test_a_topic_is_not_created_unasked(broker):
    process = subprocess.Popen([DRIVE, f"brokers={broker.address}", "topic=nobody-made-it", "count=5"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    timer = threading.Timer(300, process.kill)
    timer.start()
    seen = []
    while not (seen and "does not exist" in seen[-1]):
        seen.append(process.stdout.readline())
        assert seen[-1], seen  # it has ended
    timer.cancel()
    process.kill()
    process.communicate()
    assert "topic nobody-made-it does not exist; create it or set create_topics: true" in seen[-1], seen
    assert "nobody-made-it" not in broker.topics()


def test_records_behind_another_producers_open_transaction_are_found(broker):
    topic, last = "open", 30000
    other = Drive(broker, topic, 1, 3000000, name="other", transactional="open-other",
                  transaction=1000000)
    other.until_durable(1)
    drive = Drive(broker, topic, 1, last, rate=20000)
    drive.until_durable(5000)
    other.process.send_signal(signal.SIGSTOP)  # with a transaction open
    drive.until_durable(drive.durable + 5000)
    drive.kill()
    released = threading.Timer(3, lambda: other.process.send_signal(signal.SIGCONT))
    released.start()
    drive = Drive(broker, topic, max(1, drive.durable - 3000), last, rate=20000)
    assert drive.end() == 0, drive.lines[-3:]
    released.join()
    other.kill()
    assert_exactly(broker, topic, 1, last, "read_uncommitted")


def make_certificates(directory):
    def run(*command):
        subprocess.run(["openssl", *command], cwd=directory, check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
        "-subj", "/CN=ca", "-days", "30")
    for name in ("server", "client"):
        run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")
        (directory / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "30", "-extfile", "san")
    run("pkcs8", "-topk8", "-nocrypt", "-in", "server.key", "-out", "server.p8")
    chain = (directory / "server.p8").read_text() + (directory / "server.pem").read_text()
    (directory / "server-chain.pem").write_text(chain)


def guarded_broker(directory, version):
    make_certificates(directory)
    login = "org.apache.kafka.common.security"
    running = kafka_broker.Broker(directory, protocol="SASL_SSL", version=version,
                                  scram="SCRAM-SHA-512=[name=leat,password=secret]", extra=f"""
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.client.scram-sha-512.sasl.jaas.config={login}.scram.ScramLoginModule required;
listener.name.client.plain.sasl.jaas.config={login}.plain.PlainLoginModule required user_leat="secret";
listener.name.client.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={directory}/server-chain.pem
ssl.truststore.type=PEM
ssl.truststore.location={directory}/ca.pem
message.max.bytes=20000
""")
    running.start()
    return running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Client certificates and a password are asked for, and messages may have 20,000 bytes."""
    running = guarded_broker(tmp_path_factory.mktemp("guarded"), kafka_broker.VERSION)
    yield running
    running.kill()


@pytest.fixture
def guarded_older(tmp_path):
    reason = kafka_broker.unavailable(kafka_broker.OLDER)
    if reason:
        pytest.skip(f"Kafka {kafka_broker.OLDER}: {reason}")
    running = guarded_broker(tmp_path, kafka_broker.OLDER)
    yield running
    running.kill()


def credentials(broker, mechanism=3, password="secret"):
    at = broker.directory
    return {"ca": at / "ca.pem", "certificate": at / "client.pem", "key": at / "client.key",
            "user": "leat", "password": password, "mechanism": mechanism}


def test_tls_with_both_certificates_and_a_password(guarded):
    drive = Drive(guarded, "tls", 1, 5000, **credentials(guarded, 1))
    assert drive.end() == 0, drive.lines[-3:]
    assert_exactly(guarded, "tls", 1, 5000)


def test_tls_and_scram(guarded_older):
    drive = Drive(guarded_older, "scram", 1, 5000, **credentials(guarded_older))
    assert drive.end() == 0, drive.lines[-3:]
    assert_exactly(guarded_older, "scram", 1, 5000)


def test_scram_of_an_old_client_library_with_a_new_broker_is_explained(guarded):
    """librdkafka before 2.6.1 writes the nonce twice, and Kafka 4 looks."""
    drive = Drive(guarded, "scram-new", 1, 10, **credentials(guarded))
    line = drive.until("^(retry the brokers do not let us in|end)").string
    drive.kill()
    if line.startswith("end"):
        pytest.skip("this librdkafka is new enough")
    assert "2.6.1" in line


def test_a_wrong_password_is_named(guarded):
    drive = Drive(guarded, "tls-wrong", 1, 10, **credentials(guarded, password="wrong"))
    assert drive.until("^retry the brokers do not let us in: .*(?i:authentication)")
    drive.kill()


def test_a_missing_certificate_is_named(guarded):
    wanted = credentials(guarded)
    del wanted["certificate"], wanted["key"]
    drive = Drive(guarded, "tls-none", 1, 10, **wanted)
    assert drive.until("^retry .*(SSL|ssl|certificate)")
    drive.kill()


def test_a_record_that_the_broker_finds_too_large_is_rejected_alone(guarded):
    drive = Drive(guarded, "large", 1, 10, size=30000, compression="none",
                  **credentials(guarded, 1))
    assert drive.until("^restart topic large takes no such record of 300[0-9][0-9] bytes")
    drive.kill()
    assert drive.durable == 0
