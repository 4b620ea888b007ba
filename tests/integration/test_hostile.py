# SPDX-License-Identifier: Apache-2.0
"""Clients that mean no good, and storms of signals, while records flow: the stream goes on and is complete, memory and
descriptors stay bounded, and who asks properly is answered."""
import contextlib
import os
import random
import resource
import selectors
import signal
import socket
import threading
import time

import pytest

from leat_harness import places, wait
from leat_harness.admin import Admin

ROWS = 40000


@pytest.fixture
def streaming(db, leat):
    """A daemon with both kinds of addresses, and a writer that goes on until it is told to stop."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    daemon.tcp = places.free_port()
    daemon.tree["http"] = {"listen": [f"unix:{daemon.folder}/a.sock", f"127.0.0.1:{daemon.tcp}"]}
    daemon.write_config()
    daemon.start()
    daemon.wait_streaming(db)
    daemon.admin = Admin(daemon.folder / "a.sock")
    quiet, written = threading.Event(), [0]

    def write():
        with contextlib.closing(db.connect()) as connection, connection.cursor() as cursor:
            while not quiet.is_set() and written[0] < 20 * ROWS:
                cursor.execute("INSERT INTO t SELECT g, 'x' FROM generate_series(%s, %s) g", (written[0] + 1, written[0] + 200))
                written[0] += 200
                quiet.wait(0.005)
    writer = threading.Thread(target=write)
    writer.start()
    daemon.written = written

    def finish():
        """All that was written is there, once and in order."""
        quiet.set()
        writer.join()
        records = daemon.fence(db)
        assert [int(record.key["id"]) for record in records] == list(range(1, written[0] + 1))
        return len(records)
    daemon.finish = finish
    yield daemon
    quiet.set()
    writer.join()


def more_descriptors(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            pytest.skip(f"only {hard} file descriptors are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def is_alive(daemon, through):
    daemon.must_run()
    with contextlib.suppress(OSError):
        return through.ask("/livez")[0] == 200
    return False


BEGINNINGS = [b"", b"G", b"GET /status HTTP/1.1\r\nHost: local", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-A: ",
              b"POST /loglevel?level=debug HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nabc",
              b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50]  # the last one never takes its answers


def test_a_thousand_clients_that_never_come_to_the_end(streaming):
    more_descriptors(2500)
    clients = []
    try:
        before = streaming.written[0]
        for number in range(1000):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", streaming.tcp))
            clients.append(client)
        sent, deadline = 0, time.monotonic() + wait.PATIENCE
        with selectors.DefaultSelector() as ready:  # select() knows 1024 descriptors
            for client in clients:
                ready.register(client, selectors.EVENT_WRITE)
            while sent < 200 and time.monotonic() < deadline:
                for key, _ in ready.select(0.2):
                    with contextlib.suppress(OSError):
                        key.fileobj.send(BEGINNINGS[sent % len(BEGINNINGS)])
                    ready.unregister(key.fileobj)
                    sent += 1
        assert sent >= 200, sent
        took = []
        for _ in range(20):  # the unix socket answers as if nobody were there
            began = time.monotonic()
            assert streaming.admin.ask("/status")[0] == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[15] < 2, took  # the machine may stand still now and then
        assert streaming.admin.metric("process_open_fds") < 100
        assert streaming.memory("VmRSS") < 256 << 20
        wait.until(lambda: streaming.written[0] > before + ROWS / 4, "the writer")

        def flows():
            seen = streaming.admin.pipeline()
            return seen["source"]["state"] == "streaming" and seen["positions"]["stuck_ms"] < 5000
        wait.until(flows, lambda: f"the stream to flow: {streaming.admin.pipeline()}")
    finally:
        for client in clients:
            client.close()
    wait.until(lambda: ask_tcp(streaming.tcp), "an answer over TCP once they are gone")
    assert streaming.finish() > ROWS / 4
    assert streaming.admin.status()["log_level"] == "info"


def ask_tcp(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 3) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client.recv(100).startswith(b"HTTP/1.1 200")
    return False


PIECES = [b"GET ", b"POST ", b"HEAD ", b"BREW ", b"/", b"/status", b"/metrics", b"/loglevel?level=", b"/shutdown", b"/reload",
          b"/pipelines/p/", b"pause", b"drain", b"sinks/archive/drop", b"%00", b"%", b"../", b"?", b"&", b"=", b" HTTP/1.1", b" HTTP/1.0", b" HTTP/0.9",
          b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"Host: localhost", b"Host: ", b"Content-Length: ", b"0", b"-1", b"18446744073709551616",
          b"Transfer-Encoding: chunked", b"ffffffffffffffff\r\n", b"Expect: 100-continue", b"Connection: keep-alive", b"Upgrade: h2c",
          b"\0", b"\xff\xfe", b"A" * 5000, b": ", b"\t", b"Cookie: a=b", b"Range: bytes=0-"]


def test_requests_of_every_malformed_kind(streaming):
    """Over TCP, where no command may ever be taken, whatever it looks like."""
    seed = int(os.environ.get("LEAT_SEED", random.randrange(1 << 30)))
    print("LEAT_SEED", seed)
    chance = random.Random(seed)
    for number in range(1500):
        request = b"".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 14)))
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", streaming.tcp), 15) as client:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65536)
            assert not answer or answer.startswith(b"HTTP/1."), (request, answer[:100])
            assert not answer.startswith(b"HTTP/1.1 202"), (request, answer[:100])
        if number % 100 == 0:
            assert is_alive(streaming, streaming.admin), request
    whole = streaming.admin.status()
    assert not whole["stopping"] and whole["log_level"] == "info" and whole["pipelines"][0]["state"] == "running"
    assert streaming.admin.metric("process_open_fds") < 100
    assert streaming.finish() > 0


def test_ten_thousand_signals(streaming):
    numbers = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGPIPE, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT]
    chance = random.Random(1)
    before = streaming.written[0]
    for number in range(10000):
        streaming.signal(chance.choice(numbers))
        if number % 1000 == 0:
            assert is_alive(streaming, streaming.admin), streaming.stderr_tail()
    wait.until(lambda: streaming.written[0] > before + 1000, "the writer")
    assert streaming.finish() > 1000
    assert streaming.admin.metric("process_open_fds") < 100
    assert streaming.terminate() == 0
    assert len(streaming.stderr()) < 4 << 20
