# SPDX-License-Identifier: Apache-2.0
"""How long things take with NATS, as somebody outside sees it: a change on its way, and a start."""
import bisect
import calendar
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from brokers import Nats, nats_program, with_stream
from servers import BIN, BUILD, Postgres, cpu_of, median


def bench():
    return sys.modules["__main__"]  # bench.py, which imports us


START_ROWS = 200000  # a start reads a window of the stream's end, however much is in it


class Listener:
    """An outside reader of a subject: what came, with the time at which it came."""

    def __init__(self, server, subject):
        self.conn = socket.create_connection(("127.0.0.1", server.port), 10)
        self.conn.sendall(b'CONNECT {"verbose":false}\r\nSUB ' + subject.encode() + b" 1\r\nPING\r\n")
        data = b""
        while b"PONG\r\n" not in data:
            data += self.conn.recv(65536)
        self.pieces, self.times = [], []
        self.first = threading.Event()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        try:
            while True:
                data = self.conn.recv(262144)
                now = time.time_ns()
                if not data:
                    return
                if data == b"PING\r\n":
                    self.conn.sendall(b"PONG\r\n")
                    continue
                self.pieces.append(data)
                self.times.append(now)
                self.first.set()
        except OSError:
            return

    def stop(self):
        self.conn.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.conn.close()

    def latencies_ms(self):
        """From each record's commit until its end was here."""
        ends, at = [], 0
        for piece in self.pieces:
            at += len(piece)
            ends.append(at)
        late = []
        for match in re.finditer(rb'"ts":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.?(\d*)Z"', b"".join(self.pieces)):
            seconds = calendar.timegm(time.strptime(match[1].decode(), "%Y-%m-%dT%H:%M:%S"))
            micro = int((match[2].decode() + "000000")[:6])
            came = self.times[bisect.bisect_left(ends, match.end())]
            late.append((came / 1000 - (seconds * 1000000 + micro)) / 1000)
        return late


def consumer(server, stream):
    """A push consumer: it is given what is stored, and nothing earlier than that."""
    answer = server.request(f"$JS.API.CONSUMER.CREATE.{stream}", json.dumps(
        {"stream_name": stream, "config": {"deliver_subject": f"to.{stream}", "ack_policy": "none",
                                           "deliver_policy": "new", "inactive_threshold": 600000000000}}))
    if "error" in answer:
        raise RuntimeError(str(answer["error"]))
    return f"to.{stream}"


def server_alone_ms(server, stream, count=500):
    """One message after the other, from our publish until the consumer has it: the server's own part."""
    listener = Listener(server, consumer(server, stream))
    took = []
    with socket.create_connection(("127.0.0.1", server.port), 10) as conn:
        conn.sendall(b'CONNECT {"verbose":false}\r\n')
        for _ in range(count):
            listener.first.clear()
            began = time.perf_counter()
            conn.sendall(f"PUB {stream}.x 250\r\n{'x' * 250}\r\n".encode())
            listener.first.wait(5)
            took.append((time.perf_counter() - began) * 1000)
    listener.stop()
    return took


def load(postgres, script, rate, seconds):
    """One-row transactions at a steady rate, as far as the machine can."""
    subprocess.run([BIN / "pgbench", "-n", "-h", postgres.folder, "-p", str(postgres.port), "-U", "postgres",
                    "-f", script, "-c", "8", "-j", "1", "-T", str(seconds), "-R", str(rate), "postgres"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def floor_ms(postgres, program, script, rate, seconds):
    """The same load, read by a program that does nothing with it (receive_times.c): from each commit until it is here."""
    stream = bench().Stream(postgres, f"floor{rate}", 1)
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([program, postgres.dsn() + " replication=database", stream.name, "bench"], stdout=out)
        bench().walsender_of(postgres, stream.name)
        load(postgres, script, rate, seconds)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        out.seek(0)
        ages = [int(line) / 1000 for line in out]
    stream.drop()
    return ages


def bench_nats_latency(table, _rows, _repeats, _names):
    main = bench()
    program, _ = nats_program()
    server = Nats(program)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-pg-"))
    postgres = Postgres(folder, fsync="off", synchronous_commit="on")  # as in bench_latency
    try:
        postgres.execute("create table t (id bigserial primary key, customer int, code text, note text); "
                         "create publication bench for table t")
        receiver = folder / "receive_times"
        subprocess.run(["gcc", "-O2", "-std=gnu17", "-I/usr/include/postgresql", "-o", receiver,
                        pathlib.Path(__file__).parent / "receive_times.c", "-lpq"], check=True)
        script = folder / "one.sql"
        script.write_text("insert into t (customer, code, note) values (1, 'code', repeat('x', 150));\n")
        server.stream("A")
        alone = server_alone_ms(server, "A")
        for rate, seconds in ((1000, 15), (20000, 15)):
            work = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
            stream = main.Stream(postgres, f"late{rate}", 1)
            name = f"L{rate}"
            server.stream(name)
            sinks = [{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{server.port}", "stream": name,
                      "route": name + ".{schema}.{table}.{op}", "confirm_hold": "0s"}]
            path = main.config(work, stream, stream.name, sinks)
            listener = Listener(server, consumer(server, name))
            postgres.execute("insert into t (customer, code, note) values (1, 'first', '')")
            began_ns = time.time_ns()
            process = subprocess.Popen([BUILD / "leat", "run", "-c", path], stderr=open(work / "log", "w"))
            if not listener.first.wait(30):
                raise RuntimeError("no record came:\n" + (work / "log").read_text()[-2000:])
            table.add("nats: start of the process to the first record", 100, (listener.times[0] - began_ns) / 1e6, "ms",
                      "baseline: the aim; the row waited for the process")
            load(postgres, script, rate, seconds)
            cpu = cpu_of(process.pid)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            listener.stop()
            late = listener.latencies_ms()[1:]
            floor = floor_ms(postgres, receiver, script, rate, seconds)
            for share in (0.5, 0.99):
                table.add(f"nats, {rate:,} commits/s: commit to consumer, p{share * 100:.0f}",
                          main.percentile(alone, share), main.percentile(late, share), "ms",
                          f"baseline: the server alone, one message at a time; {len(late) / seconds:,.0f}/s came")
                table.add(f"nats, {rate:,} commits/s: the same beside a bare reader of a slot, p{share * 100:.0f}",
                          main.percentile(floor, share), main.percentile(late, share), "ms",
                          f"baseline: commit to a program that drops what it reads, no broker; {len(floor) / seconds:,.0f}/s came")
            table.plain(f"nats, {rate:,} commits/s: CPU of leat", cpu / max(len(late), 1) * 1e6, "s per million rows")
            stream.drop()
            shutil.rmtree(work, ignore_errors=True)
    finally:
        postgres.stop()
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def bench_nats_start(table, rows, repeats, _names):
    """kill -9 at full rate, then from the start of the process until the first new record is in the stream: PostgreSQL
    decodes again what was in the stream and not confirmed yet."""
    main = bench()
    program, _ = nats_program()
    server = Nats(program)
    rows = min(rows, START_ROWS)

    def run(stream):
        took = []
        for repeat in range(repeats):
            name = f"T{repeat}"
            server.stream(name, allow_direct=True)
            work = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
            slot = stream.slot()
            sinks = [{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{server.port}", "stream": name,
                      "route": name + ".{schema}.{table}.{op}", "confirm_hold": "0s"}]
            command = [BUILD / "leat", "run", "-c", main.config(work, stream, slot, sinks)]
            process = subprocess.Popen(command, stderr=open(work / "log", "w"))
            while server.request(f"$JS.API.STREAM.INFO.{name}", "")["state"]["messages"] < rows // 2:
                if process.poll() is not None:
                    raise RuntimeError("leat ended:\n" + (work / "log").read_text()[-2000:])
                time.sleep(0.01)
            process.kill()
            process.wait()
            while stream.postgres.value(f"select active from pg_replication_slots where slot_name='{slot}'"):
                time.sleep(0.01)
            listener = Listener(server, f"{name}.public.>")  # not the question that goes before
            listener.first.clear()
            began = time.perf_counter()
            process = subprocess.Popen(command, stderr=open(work / "log", "w"))
            if not listener.first.wait(30):
                raise RuntimeError("no record came:\n" + (work / "log").read_text()[-2000:])
            took.append((time.perf_counter() - began) * 1000)
            process.send_signal(signal.SIGKILL)
            process.wait()
            listener.stop()
            server.drop(name)
            while stream.postgres.value(f"select active from pg_replication_slots where slot_name='{slot}'"):
                time.sleep(0.01)
            stream.postgres.execute(f"select pg_drop_replication_slot('{slot}')")
            shutil.rmtree(work, ignore_errors=True)
        table.plain(f"nats: start after a kill, {rows // 2:,} in the stream, to the first record that is new", median(took), "ms")

    try:
        with_stream(rows, run)
    finally:
        server.stop()


BENCHES = {"nats-latency": bench_nats_latency, "nats-start": bench_nats_start}
