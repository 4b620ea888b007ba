# SPDX-License-Identifier: Apache-2.0
"""leat check of a NATS or Kafka sink, on real servers: whatever is wrong is a finding that says what mends it."""
import contextlib
import json
import random
import subprocess

import pytest

from leat_harness import kafka, nats, places
from leat_harness.leat import command


@pytest.fixture
def look(db, leat):
    """look(sink, ...): the exit status and, of each sink, what is not well.  Each finding that fails has a fix."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")

    def run(*sinks):
        sinks = [{**sink, "name": f"s{i}"} for i, sink in enumerate(sinks)]
        daemon = leat(db.dsn(), sinks=sinks)
        done = command("check", "-c", daemon.config, "--json")
        found = [finding for finding in json.loads(done.stdout) if finding["instance"].startswith("s")
                 and finding["instance"][1:].isdigit()]
        bad = [finding for finding in found if finding["severity"] in ("warning", "error")]
        assert all(finding.get("fix", "").strip() for finding in bad), bad
        plain = command("check", "-c", daemon.config).stdout
        for finding in bad:
            assert f"fix: {finding['fix'].splitlines()[0]}" in plain, (finding, plain)
        return done.returncode, [[finding for finding in found if finding["instance"] == sink["name"] and
                                  finding["severity"] != "ok"] for sink in sinks], found
    return run


def one(found, text, fix, severity="error"):
    match = [finding for finding in found if text in finding["text"] and finding["severity"] == severity]
    assert len(match) == 1 and fix in match[0]["fix"], json.dumps(found, indent=1)


def bus(server, **options):
    return {"plugin": "nats", "url": server if isinstance(server, str) else server.url, "stream": "LEAT", "route": "cdc.{table}",
            "connect_timeout": "3s", **options}


# ---- NATS ------------------------------------------------------------------------------------------------------------


def test_a_nats_server_that_cannot_be_reached(look, own, scratch):
    port = places.free_port()
    plain = own(nats.Server).wait_ready()
    status, (refused, host, tls, files, login, odd), _ = look(
        bus(f"nats://127.0.0.1:{port}"), bus("nats://no-such-host.invalid"), bus(plain.url.replace("nats:", "tls:")),
        bus(plain, tls={"ca": f"{scratch}/none.pem"}), bus(plain, user="leat", password_file=f"{scratch}/none"),
        bus("http://127.0.0.1"))
    assert status in (69, 78)
    one(refused, "Connection refused", f"systemctl start nats-server (on the host of 127.0.0.1:{port})")
    one(host, "cannot resolve", "correct the host in url")
    one(tls, "TLS is wanted", "tls { cert_file:")
    one(odd, "scheme must be", "nats://HOST:4222")
    one(login, "cannot read", "let the daemon's user read it")
    assert files[0]["fix"] and "tls" in files[0]["text"].lower()


def test_a_nats_server_with_another_certificate(look, own, scratch):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{scratch}/key", "-out",
                    f"{scratch}/cert", "-days", "2", "-subj", "/CN=elsewhere", "-addext", "subjectAltName=DNS:elsewhere"],
                   check=True, capture_output=True)
    server = own(nats.Server, config=f'tls {{ cert_file: "{scratch}/cert", key_file: "{scratch}/key" }}').wait_listening()
    status, (unknown, name, missing), _ = look(bus(server), bus(server, tls={"ca": f"{scratch}/cert"}),
                                               bus(server, tls={"ca": f"{scratch}/none"}))
    assert status in (77, 78)
    one(unknown, "self-signed certificate", "tls.ca: the certificate of the authority")
    one(name, "mismatch", "tls.name:")
    one(missing, "tls.ca: cannot use", "tls.ca: a PEM file")


@pytest.mark.parametrize("login,fix", [
    ({}, "the server wants a login"), ({"user": "leat", "password": "guess"}, "correct user and password"),
    ({"token": "guess"}, "correct the token")], ids=["none", "user", "token"])
def test_a_nats_server_that_refuses_the_login(look, own, login, fix):
    server = own(nats.Server, config="authorization { user: leat, password: secret }")
    server.login = {"user": "leat", "pass": "secret"}
    server.wait_ready()
    status, (found,), _ = look(bus(server, **login))
    assert status == 77 and "guess" not in json.dumps(found)
    one(found, "Authorization Violation", fix)


def test_a_nats_user_without_the_right_to_ask(look, own):
    server = own(nats.Server, config='authorization { users: [{ user: all, password: p }, '
                                     '{ user: leat, password: p, permissions: { publish: ["cdc.>"] } }] }')
    server.login = {"user": "all", "pass": "p"}
    with contextlib.closing(server.wait_ready().client()) as client:
        client.create_stream("LEAT", ["cdc.>"])
    status, (found,), _ = look(bus(server, user="leat", password="p"))
    assert status == 77
    one(found, "Permissions Violation for Publish to", '"$JS.API.STREAM.INFO.LEAT"')


def test_a_nats_server_without_jetstream_and_one_without_headers(look, own):
    server = own(nats.Server, config="accounts { A { users: [{ user: leat, password: p }] } }").wait_listening()
    status, (found, domain), _ = look(bus(server, user="leat", password="p"), bus(server, user="leat", password="p", domain="far"))
    assert status == 69
    one(found, "not enabled", "jetstream: enabled")
    one(domain, "not enabled", "correct domain: far")
    bare = own(nats.Server, config="no_header_support: true").wait_listening()
    status, (found,), _ = look(bus(bare))
    assert status == 78
    one(found, "headers turned off", "no_header_support")


def test_a_nats_stream_that_does_not_fit(look, own):
    server = own(nats.Server, "debian")
    with contextlib.closing(server.wait_ready().client()) as client:
        client.create_stream("MEM", ["mem.>"], storage="memory", duplicate_window=10 ** 9)
        client.create_stream("MIR", [], mirror={"name": "MEM"})
        client.create_stream("WORK", ["work.>"], retention="workqueue", max_msgs=5, discard="old", max_msgs_per_subject=1)
        client.create_stream("AGE", ["age.>"], max_age=10 ** 12)
    status, (mem, mir, work, age, none, allowed), _ = look(
        bus(server, stream="MEM"), bus(server, stream="MIR"), bus(server, stream="WORK"), bus(server, stream="AGE", confirm_hold="0s"),
        bus(server, stream="NONE"), bus(server, stream="MEM", allow_memory_stream=True, route="mem.{table}"))
    assert status == 78
    one(mem, "in memory", "allow_memory_stream: true")
    one(mir, "is a mirror", "stream: the name of the stream that MIR mirrors")
    one(work, "consumers have taken", "--retention limits", "warning")
    one(work, "discard old", "nats stream edit WORK --discard new", "warning")
    one(work, "of each subject", "--max-msgs-per-subject=-1", "warning")
    one(work, "does not take all subjects", "nats stream edit WORK --subjects", "warning")
    one(age, "drops messages after 1000 s", "nats stream edit AGE --max-age", "note")
    one(age, "one replica", "confirm_hold: auto", "warning")
    one(none, "does not exist", "nats stream add NONE")
    one(allowed, "keeps its messages in memory", "--storage file", "warning")
    one(allowed, "remembers message ids", "--dupe-window", "warning")
    assert "allow_memory_stream" not in json.dumps(allowed)


# ---- Kafka -----------------------------------------------------------------------------------------------------------


def log(broker, **options):
    address = broker if isinstance(broker, str) else broker.address
    return {"plugin": "kafka", "brokers": address, "route": f"t{random.randrange(1 << 40):x}", **options}


def test_a_kafka_broker_that_cannot_be_reached(look, shared_broker, scratch):
    (scratch / "password").write_text("guess\n")
    status, (away, host, tls), _ = look(
        log(f"127.0.0.1:{places.free_port()}"), log("no-such-host.invalid:9092"), log(shared_broker, tls={"enable": True}))
    assert status == 69
    one(away, "no broker of 127.0.0.1:", "start the broker (systemctl status kafka on the host of 127.0.0.1:")
    one(host, "resolve", "correct the host in brokers")
    one(tls, "SSL", "tls.enable: false")
    status, (refused, ca, password, sasl), _ = look(
        log(shared_broker, properties={"acks": "1"}), log(shared_broker, tls={"enable": True, "ca": f"{scratch}/none"}),
        log(shared_broker, sasl={"mechanism": "PLAIN", "username": "leat", "password_file": f"{scratch}/none"}),
        log(shared_broker, sasl={"mechanism": "PLAIN", "username": "leat", "password_file": f"{scratch}/password"}))
    one(refused, "property acks is refused", "take the property out of properties")
    one(ca, "ssl.ca.location", "tls.ca: a PEM file")
    one(password, "cannot be read", "sasl.password_file: a file that the daemon's user may read")
    assert sasl[0]["severity"] == "error" and "guess" not in json.dumps(sasl)


@pytest.mark.parametrize("mechanism,fix", [("PLAIN", "plain.sasl.jaas.config"), (None, "sasl.mechanism")])
def test_a_kafka_broker_that_refuses_the_login(look, own, mechanism, fix):
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    server = own(kafka.Server, protocol="SASL_PLAINTEXT", extra=f"""
listener.name.client.sasl.enabled.mechanisms=PLAIN
listener.name.client.plain.sasl.jaas.config={module} user_leat="secret";
""")
    server.start()
    sasl = {"sasl": {"mechanism": mechanism, "username": "leat", "password": "guess"}} if mechanism else {}
    status, (found,), _ = look(log(server, **sasl))
    assert status == (77 if mechanism else 69) and "guess" not in json.dumps(found)
    one(found, "", fix)


def test_a_kafka_topic_that_does_not_fit(look, shared_broker):
    name = f"t{random.randrange(1 << 40):x}"
    shared_broker.create(name, partitions=1, max_message_bytes=5000, unclean_leader_election_enable="true")
    fixed = log(shared_broker, route=name)
    status, (topic, none, many, positions), found = look(
        fixed, log(shared_broker), log(shared_broker, create_topics=True, replication_factor=3),
        log(shared_broker, route=name, transactional_id="x", position_topic=name))
    assert status == 78
    assert any(finding["text"] == f"topic {name}: 1 partition, 1 replica" for finding in found), found
    assert any(finding["text"].startswith("1 broker, ") for finding in found), found
    configure = f"kafka-configs.sh --bootstrap-server {shared_broker.address} --alter"
    of_topic = f"{configure} --entity-type topics --entity-name {name} --add-config"
    one(topic, f"topic {name} has one replica", "kafka-reassign-partitions.sh", "warning")
    one(topic, f"topic {name}: unclean", f"{of_topic} unclean.leader.election.enable=false", "warning")
    one(topic, f"topic {name}: max.message.bytes is 5000", f"{of_topic} max.message.bytes=1000000\nor max_message: 5000", "warning")
    one(topic, f"topic {name}: min.insync.replicas is 1", "have 3 replicas", "warning")
    one(none, "does not exist", f"kafka-topics.sh --bootstrap-server {shared_broker.address} --create --topic ")
    assert "--partitions 1 --replication-factor 1" in json.dumps(none), none
    one(many, "replication_factor is 3, and there is 1 broker", "replication_factor: 1, or add brokers")
    one(positions, "is not compacted", f"{of_topic} cleanup.policy=compact")
