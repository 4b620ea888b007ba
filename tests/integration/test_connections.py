# SPDX-License-Identifier: Apache-2.0
"""TCP, TLS with verify-full, SCRAM, a password that changes, notices, and peers that go silent."""
import json

import pytest

from leat_harness import places, wait
from leat_harness.leat import command
from leat_harness.proxy import Cable


@pytest.fixture
def secured(own_cluster, scratch):
    """A cluster that asks for TLS and SCRAM over TCP."""
    pg = own_cluster(tcp=True)
    places.run(["openssl", "req", "-new", "-x509", "-days", "30", "-nodes", "-subj", "/CN=leat test authority",
                "-keyout", scratch / "ca.key", "-out", scratch / "ca.crt"])
    places.run(["openssl", "req", "-new", "-nodes", "-subj", "/CN=localhost", "-keyout", pg.data / "server.key",
                "-out", scratch / "server.csr"])
    (scratch / "san").write_text("subjectAltName=DNS:localhost")
    places.run(["openssl", "x509", "-req", "-in", scratch / "server.csr", "-CA", scratch / "ca.crt", "-CAkey",
                scratch / "ca.key", "-CAcreateserial", "-days", "30", "-extfile", scratch / "san", "-out",
                pg.data / "server.crt"])
    for name in ("server.key", "server.crt"):
        (pg.data / name).chmod(0o600)
        places.give_to_postgres(pg.data / name)
    pg.execute("SET password_encryption = 'scram-sha-256'; ALTER ROLE leat PASSWORD 'first pass\"word'''")
    with open(pg.data / "postgresql.conf", "a", encoding="utf-8") as conf:
        conf.write("ssl = on\n")
    (pg.data / "pg_hba.conf").write_text(
        "local all postgres trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
        "hostssl replication all 127.0.0.1/32 scram-sha-256\n")
    pg.stop()
    pg.start()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return pg, db, scratch / "ca.crt"


def dsn(pg, db, authority, host="localhost", password="${file:PASSWORD}"):
    return (f"host={host} hostaddr=127.0.0.1 port={pg.port} dbname={db.name} user=leat sslmode=verify-full "
            f"sslrootcert={authority} channel_binding=require password={password}")


def test_verify_full_and_scram_with_a_password_that_changes(secured, leat, scratch):
    pg, db, authority = secured
    secret = scratch / "pass"
    secret.write_text("'first pass\"word\\''\n")
    secret.chmod(0o600)
    daemon = leat(dsn(pg, db, authority, password=f"${{file:{secret}}}")).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db)) == 1
    assert db.scalar("SELECT ssl FROM pg_stat_ssl WHERE pid = %s", (db.slot_active("leat"),))
    # A change of the password: the secret is read anew at each connection.
    pg.execute("SET password_encryption = 'scram-sha-256'; ALTER ROLE leat PASSWORD 'second'")
    secret.write_text("second\n")
    pg.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")
    db.execute("INSERT INTO t VALUES (2, 'y')")
    assert len(daemon.fence(db)) == 2
    assert "first pass" not in daemon.stderr() and "second" not in daemon.stderr()
    assert daemon.terminate() == 0


def test_another_host_name_is_refused(secured, leat, scratch):
    pg, db, authority = secured
    daemon = leat(dsn(pg, db, authority, host="elsewhere.example", password="x")).start()
    daemon.wait_log(r"(?i)certificate|does not match")
    assert not db.slot("leat")


def test_a_connection_that_goes_silent_is_given_up(own_cluster, leat, things):
    pg = own_cluster(tcp=True, settings="wal_sender_timeout = 3s")
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    proxy = Cable(pg.port)
    things.append(proxy)
    daemon = leat(f"host=127.0.0.1 port={proxy.port} dbname={db.name} user=leat",
                  source={"status_interval": "1s", "liveness_timeout": "3s"}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    daemon.fence(db)
    proxy.freeze()
    db.execute("INSERT INTO t VALUES (2, 'y')")
    found = daemon.fence(db)
    assert [int(record.key["id"]) for record in found] == [1, 2]
    assert daemon.terminate() == 0


def test_feedback_goes_on_while_a_connection_is_idle(own_cluster, leat):
    """With a wal_sender_timeout of 2 s an idle stream stays up: the same walsender is there much later."""
    pg = own_cluster(settings="wal_sender_timeout = 2s")
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn()).start()
    daemon.wait_streaming(db)
    # reply_time moves with each status that leat sends: wait for a few of them, longer than the timeout.  A machine that
    # stands still for so long costs a connection, and the next one has to show as many.
    seen = {}

    def replies():
        for pid, reply in pg.execute("SELECT pid, reply_time FROM pg_stat_replication WHERE reply_time IS NOT NULL"):
            seen.setdefault(pid, set()).add(reply)
        return any(len(times) >= 5 and (max(times) - min(times)).total_seconds() > 3 for times in seen.values())
    wait.until(replies, lambda: f"five replies of one connection: {seen}", pause=0.1)
    assert daemon.terminate() == 0


def test_what_a_server_says_beside_is_no_line_of_ours(db, cluster, leat):
    """libpq would write notices to stderr as they come: not a line of the log, and a server's text as it stands."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    db.execute("UPDATE pg_database SET datcollversion = '0' WHERE datname = current_database()")  # a WARNING at each connect
    daemon = leat(db.dsn(), top={"log": {"level": "debug", "format": "json"}}).start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1)")
    daemon.fence(db)
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0 and not done.stderr, done
    assert daemon.terminate() == 0
    assert f"leat@{db.name} WARNING" in cluster.log_tail(200)
    for line in daemon.stderr().splitlines():
        json.loads(line)
