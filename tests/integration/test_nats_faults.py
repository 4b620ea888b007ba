# SPDX-License-Identifier: Apache-2.0
"""What can happen to a stream and its server while the daemon publishes into it, as an operator sees it: what ends the daemon,
what it waits for and names, and that nothing is lost or doubled.  The sink alone is tried in tests/integration/nats (C)."""
import contextlib
import re
import shutil
import signal
import subprocess

import pytest

from leat_harness import nats, places, records, wait
from leat_harness.leat import settle, start
from leat_harness.rows import ids, insert

versions = pytest.mark.parametrize("which", nats.VERSIONS)


@pytest.fixture
def stream(nats_target):
    def make(which="current", **options):
        return nats_target(which, **{"create": {"subjects": ["cdc.>"], "duplicate_window": "100ms"}, **options})
    return make


def ask(target, verb, **body):
    with contextlib.closing(target.server.client()) as client:
        return client.api(verb, body or b"")


# ---- streams ------------------------------------------------------------------------------------------------------------


@versions
def test_a_stream_that_is_deleted_ends_the_daemon_and_is_not_made_again(which, table, leat, stream):
    target = stream(which)
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    end = table.lsn()
    settle(daemon, table)
    ask(target, "STREAM.DELETE.LEAT")
    insert(table, 101, 200)
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    assert "stream LEAT was deleted" in daemon.last_line() or "stream LEAT is gone" in daemon.last_line()
    assert not table.caught_up(daemon.slot, table.lsn()) and table.caught_up(daemon.slot, end)
    daemon.start()
    assert daemon.wait_exit() == 65, daemon.stderr_tail()
    with contextlib.closing(target.server.client()) as client:
        assert client.stream("LEAT") is None


@versions
def test_a_stream_that_is_purged_gets_nothing_again(which, table, leat, stream):
    target = stream(which)
    daemon = start(leat, table, target)
    insert(table, 1, 1000)
    settle(daemon, table)
    ask(target, "STREAM.PURGE.LEAT")
    insert(table, 1001, 1500)
    settle(daemon, table)
    ask(target, "STREAM.PURGE.LEAT")
    daemon.kill()  # the next start finds nothing of ours there
    daemon.start()
    daemon.wait_streaming(table)
    insert(table, 1501, 1700)
    settle(daemon, table)
    assert daemon.terminate() == 0
    found = [int(records.Record(message.data.decode()).after["id"]) for message in target.server.read("LEAT")
             if b'"op":"insert"' in message.data]
    assert found == list(range(1501, 1701))


@versions
def test_a_full_stream_is_waited_for(which, table, leat, stream):
    target = stream(which, create={"subjects": ["cdc.>"], "duplicate_window": "100ms", "max_messages": 700, "discard": "new"},
                    stall_warning="1s")
    daemon = start(leat, table, target)
    insert(table, 1, 2000)
    end = table.lsn()
    daemon.wait_log("maximum messages exceeded")
    daemon.wait_log("oldest record is not acknowledged")
    target.server.wait_stream("LEAT", 700)
    daemon.must_run()
    assert not table.caught_up(daemon.slot, end)
    daemon.kill()
    daemon.start()
    daemon.wait_log("maximum messages exceeded.*\n(.*\n)*.*maximum messages exceeded")
    config = ask(target, "STREAM.INFO.LEAT")["config"]
    ask(target, "STREAM.UPDATE.LEAT", **{**config, "max_msgs": -1})
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 2001))


MODES = pytest.mark.parametrize("mode", nats.Target.MODES)


@MODES
def test_a_stream_that_is_made_anew_under_us_gets_all_that_may_still_come(mode, table, leat, nats_target):
    """The connection does not end with it: as a stream of one replica in a cluster, whose server is another than ours and loses its
    power.  Only the sequences of the acknowledgements tell."""
    target = nats_target("current", mode, confirm_hold="1h")
    daemon = start(leat, table, target)
    for first in (1, 101):
        insert(table, first, first + 99)
        wait.until(lambda first=first: len(ids(target)) == first + 99, "the rows so far")
    config = ask(target, "STREAM.INFO.LEAT")["config"]
    ask(target, "STREAM.DELETE.LEAT")
    ask(target, "STREAM.CREATE.LEAT", **config)
    insert(table, 201, 210)
    daemon.wait_log("was made anew")
    wait.until(lambda: len(ids(target)) >= 210, lambda: f"all of them\n{daemon.stderr_tail()}")
    assert sorted(ids(target)) == list(range(1, 211))
    insert(table, 211, 220)
    wait.until(lambda: ids(target)[-1] == 220, "the next ones")
    assert sorted(ids(target)) == list(range(1, 221))
    assert daemon.terminate() == 0


@pytest.mark.parametrize("remade", [True, False])
def test_a_stream_that_goes_while_nothing_comes_is_noticed_before_its_hold_ends(remade, table, leat, nats_target):
    target = nats_target("current", confirm_hold="4s")
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    wait.until(lambda: len(ids(target)) == 100, "the rows")
    config = ask(target, "STREAM.INFO.LEAT")["config"]
    ask(target, "STREAM.DELETE.LEAT")
    if not remade:
        assert daemon.wait_exit() == 65, daemon.stderr_tail()
        assert "stream LEAT is gone" in daemon.last_line() and not table.caught_up(daemon.slot, table.lsn())
        return
    ask(target, "STREAM.CREATE.LEAT", **config)
    daemon.wait_log("was made anew")
    wait.until(lambda: ids(target) == list(range(1, 101)), lambda: f"all of them\n{daemon.stderr_tail()}")
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 101))


@pytest.mark.parametrize("busy", [True, False])
def test_another_server_of_the_cluster_forgets_what_it_had_not_synced(busy, table, leat, own, scratch):
    """The stream has one replica, and it lies on another server than the one that we are connected to, which goes on."""
    cluster = own(nats.Cluster, "current")
    cluster.create_stream("LEAT", ["cdc.>"], num_replicas=1, duplicate_window=10 ** 8)
    home = cluster.leader("LEAT")
    ours = next(server for server in cluster.servers if server is not home)
    sink = {"name": "bus", "plugin": "nats", "url": ours.url, "stream": "LEAT", "route": "cdc.{table}", "confirm_hold": "1m",
            "ping_interval": "1s", "ack_timeout": "2s", "retry_max": "1s"}
    daemon = start(leat, table, sink)

    def numbers():
        with contextlib.suppress(OSError, ConnectionError, AssertionError), contextlib.closing(ours.client(timeout=5)) as client:
            return [int(records.Record(message.data.decode()).after["id"]) for message in client.read_leader("LEAT")]
        return []

    insert(table, 1, 100)
    wait.until(lambda: numbers() == list(range(1, 101)), "the first rows")
    home.kill()
    shutil.copytree(home.folder / "store", scratch / "synced")
    home.start()
    insert(table, 101, 200)
    wait.until(lambda: numbers() == list(range(1, 201)), lambda: f"the next rows\n{daemon.stderr_tail()}")
    home.kill()
    shutil.rmtree(home.folder / "store")
    shutil.copytree(scratch / "synced", home.folder / "store")
    home.start()
    last = 200
    if busy:
        wait.until(numbers, "the stream to be back")
        insert(table, 201, 210)
        last = 210
    wait.until(lambda: len(numbers()) >= last, lambda: f"all of them, not {len(numbers())}\n{daemon.stderr_tail()}")
    assert sorted(numbers()) == list(range(1, last + 1))
    assert re.search("went backwards|has lost data", daemon.stderr())
    daemon.must_run()


@MODES
def test_a_subject_that_another_stream_takes_ends_the_daemon(mode, table, leat, nats_target):
    """Each try would put the same messages into a stream that is not ours."""
    target = nats_target("current", mode)
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    settle(daemon, table)
    config = ask(target, "STREAM.INFO.LEAT")["config"]
    ask(target, "STREAM.UPDATE.LEAT", **{**config, "subjects": ["old.>"]})
    ask(target, "STREAM.CREATE.OTHER", **{**config, "name": "OTHER", "subjects": ["cdc.>"], "duplicate_window": 10 ** 8})
    insert(table, 101, 200)
    assert daemon.wait_exit() == 78, daemon.stderr_tail()
    assert "belongs to stream OTHER, not to LEAT" in daemon.last_line()
    assert ask(target, "STREAM.INFO.OTHER")["state"]["messages"] <= 100
    ask(target, "STREAM.DELETE.OTHER")
    ask(target, "STREAM.UPDATE.LEAT", **config)
    daemon.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 201))


# ---- servers ------------------------------------------------------------------------------------------------------------


@versions
@pytest.mark.parametrize("how", ["SIGTERM", "SIGUSR2"])
def test_a_server_that_goes_in_good_order_loses_nothing(how, which, table, leat, stream):
    """SIGUSR2 is its lame duck mode: it says so, lets go of its clients one by one, and ends."""
    target = stream(which)
    target.server.reconfigure('lame_duck_duration: "30s"\nlame_duck_grace_period: "1s"', None)
    target.kill()
    target.start()
    target.server.wait_ready()
    daemon = start(leat, table, target)
    for turn in range(2):
        insert(table, 1 + turn * 4000, 3000 + turn * 4000)
        target.server.wait_ready()  # before it listens it listens to no signal, too
        target.server.process.send_signal(getattr(signal, how))
        insert(table, 3001 + turn * 4000, 4000 + turn * 4000)
        target.server.process.wait(60)
        target.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 8001))


@versions
def test_a_user_who_is_removed_is_let_in_again_when_he_is_back(which, table, leat, stream):
    target = stream(which)
    users = 'authorization { users: [ {user: admin, password: secret} %s ] }'
    mine = ", {user: leat, password: pass}"
    target.server.reconfigure(users % mine, None)
    target.kill()
    target.start()
    target.server.login = {"user": "admin", "pass": "secret"}
    target.server.wait_ready()
    target.options.update(user="leat", password="pass")
    daemon = start(leat, table, target)
    insert(table, 1, 500)
    settle(daemon, table)
    said = len(daemon.stderr())
    target.server.reconfigure(users % "")
    daemon.wait_log("Authorization Violation", since=said)
    insert(table, 501, 1000)
    end = table.lsn()
    assert not table.caught_up(daemon.slot, end)
    daemon.must_run()
    target.server.reconfigure(users % mine)
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 1001))
    assert "pass=" not in daemon.stderr() and '"pass"' not in daemon.stderr()


class Authority:
    """Makes certificates for 127.0.0.1."""

    def __init__(self, folder):
        self.folder = folder
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=ca",
                 "-keyout", "ca.key", "-out", "ca.pem")
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, check=True)

    def make(self, name, days):
        """Days below zero: it has ended."""
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
                 f"{name}.key", "-out", f"{name}.csr")
        begin, until = ("20200101000000Z", "20200102000000Z") if days < 0 else ("20200101000000Z", "20990101000000Z")
        (self.folder / "db").write_text("")
        (self.folder / "ca.conf").write_text(
            "[ca]\ndefault_ca=c\n[c]\ndatabase=db\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n[p]\ncommonName=supplied\n")
        self.run("ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key", "-startdate", begin, "-enddate", until,
                 "-extfile", "san", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext")


@versions
def test_certificates_that_end_and_are_replaced(which, table, leat, stream, scratch):
    authority = Authority(scratch)
    for name, days in (("good", 1), ("ended", -1), ("next", 1)):
        authority.make(name, days)
    target = stream(which, tls={"ca": str(scratch / "ca.pem")})
    server = target.server
    tls = 'tls {{ cert_file: "{0}/{1}.pem", key_file: "{0}/{1}.key" }}'
    server.reconfigure(tls.format(scratch, "good"), None)
    target.kill()
    target.start()
    daemon = start(leat, table, target)
    daemon.wait_log("connected .*instance=bus")
    insert(table, 1, 500)
    settle(daemon, table)
    said = len(daemon.stderr())
    server.reconfigure(tls.format(scratch, "ended"), None)
    target.kill()
    target.start()
    daemon.wait_log("(?i)expired", since=said)
    insert(table, 501, 1000)
    end = table.lsn()
    daemon.must_run()
    assert not table.caught_up(daemon.slot, end)
    server.reconfigure(tls.format(scratch, "next"), signal.SIGHUP)
    settle(daemon, table)
    assert daemon.terminate() == 0
    server.reconfigure("", None)
    target.kill()
    target.start()
    assert ids(target) == list(range(1, 1001))


@pytest.mark.root
@versions
def test_a_server_whose_disk_is_full_gets_the_rest_when_there_is_room(which, table, leat, stream, things):
    target = stream(which)
    target.kill()
    folder = target.server.folder / "store"
    places.remove(folder)
    disk = places.SmallDisk(folder, 3 << 20)
    things.append(disk)
    target.start()
    target.server.wait_ready()
    daemon = start(leat, table, target)
    insert(table, 1, 100)
    settle(daemon, table)
    said = len(daemon.stderr())
    table.execute("INSERT INTO t SELECT g, repeat(md5(g::text), 60) FROM generate_series(101, 4000) g")  # 8 MB
    end = table.lsn()
    daemon.wait_log("(?i)insufficient|no space|is down|will be retried|not available", since=said)
    daemon.must_run()
    assert not table.caught_up(daemon.slot, end)
    places.run(["mount", "-o", "remount,size=200m", folder])
    target.kill()  # it has turned JetStream off, or what it has in memory is not what the disk has
    target.start()
    settle(daemon, table)
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, 4001))
    target.kill()
