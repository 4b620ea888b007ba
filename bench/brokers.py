# SPDX-License-Identifier: Apache-2.0
"""The benchmarks with brokers: NATS JetStream in each of its modes, Kafka on a mock and on a real broker.

The servers run on the same cores.  Where a server cannot be had the benchmark says so and goes on.
"""
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from servers import BUILD, ROOT, Postgres, cpu_of, free_port, median

sys.path.insert(0, str(ROOT / "tests" / "integration" / "kafka"))


def bench():
    return sys.modules["__main__"]  # bench.py, which imports us


class Nats:
    """A current nats-server with JetStream on disk."""

    def __init__(self, program, settings=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-nats-"))
        self.port = free_port()
        conf = self.folder / "nats.conf"
        conf.write_text(f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{self.folder}/js" {settings} }}\n')
        self.process = subprocess.Popen([program, "-c", conf], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)  # between two tries to connect
        raise RuntimeError("nats-server did not start")

    def request(self, subject, body):
        with socket.create_connection(("127.0.0.1", self.port), 10) as conn:
            conn.settimeout(10)
            conn.sendall(b'CONNECT {"verbose":false}\r\nSUB R 1\r\n'
                         + f"PUB {subject} R {len(body)}\r\n{body}\r\n".encode())
            data = b""
            while b"MSG R" not in data or not data.endswith(b"}\r\n"):
                data += conn.recv(65536)
        return json.loads(data[data.index(b"{", data.index(b"MSG R")):])

    def stream(self, name, **extra):
        answer = self.request(f"$JS.API.STREAM.CREATE.{name}", json.dumps(
            {"name": name, "subjects": [f"{name}.>"], "storage": "file", "retention": "limits", "num_replicas": 1,
             "duplicate_window": 120000000000, **extra}))
        if "error" in answer:
            raise RuntimeError(str(answer["error"]))

    def drop(self, name):
        self.request(f"$JS.API.STREAM.DELETE.{name}", "")

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def nats_program():
    get = ROOT / "tests" / "integration" / "nats" / "get-server"
    folder = ROOT / "build" / "nats-server-2.15.1"
    subprocess.run([get, folder], check=True)
    program = folder / "bin" / "nats-server"
    if program.exists():
        return program, {"allow_atomic": True}
    return pathlib.Path("/usr/sbin/nats-server"), {}


def with_stream(rows, body):
    folder = tempfile.mkdtemp(prefix="leat-bench-pg-")
    postgres = Postgres(folder)
    try:
        main = bench()
        postgres.execute(f"create table t ({main.COLUMNS}); create publication bench for table t")
        stream = main.Stream(postgres, "base", rows)
        main.fill(postgres, "t", rows, 1000)
        stream.close()
        body(stream)
        stream.drop()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compare(table, stream, repeats, modes):
    """modes: name -> a function that makes the sinks' configuration for one run."""
    main = bench()
    base, ours = [], {name: [] for name in modes}
    for _ in range(repeats):
        base.append(main.read_with_pg_recvlogical(stream))
        for name, sinks in modes.items():
            ours[name].append(main.read_with_leat(stream, sinks=sinks))
    for name, runs in ours.items():
        table.add(name, median([r.rate for r in base]), median([r.rate for r in runs]), "rows/s")
        table.plain(f"{name}: CPU of leat", median([r.cpu_per_million for r in runs]), "s per million rows")
        table.plain(f"{name}: peak memory", median([r.peak for r in runs]), "MB resident")
    return median([r.rate for r in base])


def least(stream, program, *words):
    """The same stream through the least program that does it (bench/*_publish.c, *_least.c): (rows a second, CPU a million)."""
    slot = stream.slot()
    done = subprocess.run([BUILD / "tests" / program[0], *program[1:], stream.postgres.dsn() + " replication=database", slot,
                           "bench", stream.end, *words], capture_output=True, text=True, check=True)
    stream.postgres.execute(f"select pg_drop_replication_slot('{slot}')")
    records, seconds, cpu = map(float, done.stdout.split())
    return records / seconds, cpu / records * 1e6


def compare_with_least(table, stream, repeats, modes, limits):
    """As compare; limits: name -> a function that reads the stream with the least program, in turn with the others."""
    found = {name: [] for name in limits}

    def sinks_after_limits(name, sinks):
        def make(folder):
            if name in limits:
                found[name].append(limits[name](stream))
            return sinks(folder)
        return make

    base = compare(table, stream, repeats, {name: sinks_after_limits(name, sinks) for name, sinks in modes.items()})
    for name, runs in found.items():
        table.add(f"{name}: the least program that does it", base, median([rate for rate, _ in runs]), "rows/s",
                  f"CPU {median([cpu for _, cpu in runs]):.2f} s per million rows")


def bench_nats(table, rows, repeats, _names):
    program, extra = nats_program()
    server = Nats(program)
    count = [0]

    def new_stream(**config):
        if count[0]:
            server.drop(f"B{count[0]}")
        count[0] += 1
        server.stream(f"B{count[0]}", **config)
        return f"B{count[0]}"

    def limit(dedupe):
        return lambda stream: least(stream, ["nats_least"], str(server.port), new_stream(), dedupe)

    def mode(**options):
        def sinks(_folder):
            name = new_stream(**(extra if options.get("publish") == "atomic" else {}))
            return [{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{server.port}", "stream": name,
                     "route": name + ".{schema}.{table}.{op}", "confirm_hold": "0s", **options}]
        return sinks

    modes = {"nats, sequence": mode(dedupe="sequence"), "nats, msg_id": mode(),
             "nats, 50 records a message": mode(pack={"records": 50})}
    if extra:
        modes["nats, atomic"] = mode(publish="atomic")
    limits = {}
    if (BUILD / "tests" / "nats_least").exists():
        limits = {"nats, sequence": limit("sequence"), "nats, msg_id": limit("msg_id")}
    try:
        with_stream(rows, lambda stream: compare_with_least(table, stream, repeats, modes, limits))
    finally:
        server.stop()


def bench_kafka(table, rows, repeats, _names):
    import kafka_broker
    modes, stops, limits = {}, [], {}
    count = [0]

    def limit(brokers, topic=None):
        def read(stream):
            count[0] += 1
            return least(stream, ["kafka_publish", "stream"], brokers, topic or f"bench{count[0]}")
        return read

    def mode(brokers, transactions=False):
        def sinks(_folder):
            count[0] += 1
            # Each run has a slot of its own, and a transactional id belongs to one slot.
            own = {"transactional_id": f"bench{count[0]}"} if transactions else {}
            return [{"name": "log", "plugin": "kafka", "brokers": brokers, "route": f"bench{count[0]}",
                     "create_topics": True, "replication_factor": 1, **own}]
        return sinks

    mock = BUILD / "tests" / "kafka_mock"
    if mock.exists():
        process = subprocess.Popen([mock, "t:1"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        stops.append(lambda: (process.kill(), process.wait()))
        brokers = process.stdout.readline().split()[-1]
        modes["kafka, mock cluster"] = lambda _folder: [
            {"name": "log", "plugin": "kafka", "brokers": brokers, "route": "t", "scan": {"records": 100}}]
        limits["kafka, mock cluster"] = limit(brokers, "t")
    why = kafka_broker.unavailable()
    if why:
        print(f"  kafka, real broker: skipped: {why}")
    else:
        folder = tempfile.mkdtemp(prefix="leat-bench-kafka-")
        broker = kafka_broker.Broker(folder)
        broker.start()
        stops.append(lambda: (broker.kill(), shutil.rmtree(folder, ignore_errors=True)))
        modes["kafka, real broker"] = mode(broker.address)
        limits["kafka, real broker"] = limit(broker.address)
        modes["kafka, real broker, transactions"] = mode(broker.address, transactions=True)
    try:
        with_stream(rows, lambda stream: compare_with_least(table, stream, repeats, modes, limits))
    finally:
        for stop in stops:
            stop()


def bench_both(table, rows, repeats, _names):
    """NATS and Kafka on one slot: what the slower one makes of it, and how much memory that takes."""
    import kafka_broker
    why = kafka_broker.unavailable()
    if why:
        print(f"  both: skipped: {why}")
        return
    program, _ = nats_program()
    server, folder, count = Nats(program), tempfile.mkdtemp(prefix="leat-bench-kafka-"), [0]
    broker = kafka_broker.Broker(folder)

    def sinks(_folder):
        count[0] += 1
        name = f"B{count[0]}"
        server.stream(name)
        return [{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{server.port}", "stream": name,
                 "route": name + ".{schema}.{table}.{op}", "confirm_hold": "0s", "dedupe": "sequence"},
                {"name": "log", "plugin": "kafka", "brokers": broker.address, "route": f"bench{count[0]}",
                 "create_topics": True, "replication_factor": 1}]

    try:
        broker.start()
        with_stream(rows, lambda stream: compare(table, stream, repeats, {"nats and kafka": sinks}))
    finally:
        server.stop()
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


class Onlooker:
    """A consumer outside that says how old each record is when it comes."""

    def __init__(self, folder, address, topic):
        program = BUILD / "tests" / "kafka_latency"
        self.out = pathlib.Path(folder) / f"{topic}.seen"
        self.process = subprocess.Popen([program, address, topic], stdin=subprocess.PIPE, stdout=open(self.out, "w"))
        while "ready" not in self.out.read_text():
            if self.process.poll() is not None:
                raise RuntimeError("kafka_latency ended")
            time.sleep(0.01)  # between two looks

    def end(self):
        """(age, arrival) of each record, in microseconds."""
        self.process.stdin.close()
        self.process.wait()
        return [tuple(map(int, line.split())) for line in self.out.read_text().splitlines()[1:]]


def latencies_of_librdkafka(folder, broker, topic, rate, count):
    """What the broker and the consumer make of the same number of records without us."""
    broker.create(topic)
    onlooker = Onlooker(folder, broker.address, topic)
    subprocess.run([BUILD / "tests" / "kafka_publish", "paced", broker.address, topic, str(rate), str(count), "linger.ms=0"],
                   check=True, stdout=subprocess.DEVNULL)
    return [age for age, _ in onlooker.end()]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def bench_kafka_latency(table, _rows, _repeats, _names):
    import kafka_broker
    why = kafka_broker.unavailable()
    if why:
        print(f"  kafka-latency: skipped: {why}")
        return
    main, folder, kafka_folder = bench(), tempfile.mkdtemp(prefix="leat-bench-pg-"), tempfile.mkdtemp(prefix="leat-bench-kafka-")
    # A commit is flushed at once (a walsender sends nothing else), at no cost.
    postgres = Postgres(folder, fsync="off", synchronous_commit="on")
    broker = kafka_broker.Broker(kafka_folder)
    try:
        broker.start()
        postgres.execute("create table t (id bigserial primary key, customer int, code text, note text); "
                         "create publication bench for table t")
        script = pathlib.Path(folder) / "one.sql"
        script.write_text("insert into t (customer, code, note) values (1, 'code', repeat('x', 150));\n")
        for turn, (rate, seconds, name) in enumerate(((4000, 20, None), (1000, 15, "1,000"), (5000, 15, "5,000"), (20000, 10, "20,000"))):
            work = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
            stream = main.Stream(postgres, f"latency{turn}", 1)
            topic = f"latency{turn}"
            broker.create(topic)
            onlooker = Onlooker(kafka_folder, broker.address, topic)
            postgres.execute("insert into t (customer, code, note) values (1, 'first', '')")
            path = main.config(work, stream, stream.name, [
                {"name": "log", "plugin": "kafka", "brokers": broker.address, "route": topic}])
            began_us = time.time() * 1e6
            process = subprocess.Popen([BUILD / "leat", "run", "-c", path], stderr=open(work / "log", "w"))
            while len(onlooker.out.read_text().splitlines()) < 2 and process.poll() is None:
                time.sleep(0.01)  # between two looks
            subprocess.run([main.BIN / "pgbench", "-n", "-M", "prepared", "-h", postgres.folder, "-p", str(postgres.port),
                            "-U", "postgres", "-f", script, "-c", "8", "-j", "1", "-T", str(seconds), "-R", str(rate), "postgres"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            cpu = cpu_of(process.pid)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            seen = onlooker.end()
            stream.drop()
            shutil.rmtree(work, ignore_errors=True)
            if not name:  # the broker's own code is compiled by now
                continue
            late = [age / 1000 for age, _ in seen[1:]]
            alone = [age / 1000 for age in latencies_of_librdkafka(kafka_folder, broker, f"alone{turn}", rate, rate * seconds)]
            table.add(f"kafka, {name} changes/s: commit to an outside consumer, p50", 2, percentile(late, 0.5), "ms",
                      f"baseline: the aim; {len(late) / seconds:,.0f} records/s came")
            table.add(f"kafka, {name} changes/s: commit to an outside consumer, p99", 8, percentile(late, 0.99), "ms",
                      "baseline: the aim")
            table.plain(f"kafka, {name} records/s: librdkafka alone to the same consumer", percentile(alone, 0.99), "ms, p99",
                        f"p50 {percentile(alone, 0.5):.2f} ms; no PostgreSQL, no leat")
            table.plain(f"kafka, {name} changes/s: CPU of leat", cpu / max(len(late), 1) * 1e6, "s per million rows")
            table.add("kafka: start of the process to the first record", 100, (seen[0][1] - began_us) / 1000, "ms",
                      "baseline: the aim")
    finally:
        broker.kill()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(kafka_folder, ignore_errors=True)


BENCHES = {"nats": bench_nats, "kafka": bench_kafka, "kafka-latency": bench_kafka_latency, "both": bench_both}
