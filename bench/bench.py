# SPDX-License-Identifier: Apache-2.0
"""scripts/bench NAME...: how fast leat is, held against a named limit in the same run.

Each figure is the median of interleaved repeats over the same WAL: every reader gets a copy of one slot.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from servers import BIN, BUILD, Postgres, Table, cpu_of, free_port, lsn, median, peak_of  # noqa: E402

COLUMNS = "id bigint primary key, customer int, code text, note text, price numeric(12,2), at timestamptz"
ROW = ("{n}, ({n}) % 1000, 'code-' || (({n}) % 5000), repeat(md5(({n})::text), 4), (({n}) % 100000) / 100.0, "
       "timestamptz '2026-01-01' + ({n}) * interval '1 second'")


class Run:
    """One reading of the whole stream: rows a second and what it cost."""

    def __init__(self, seconds, cpu, walsender, rows, peak=0.0):
        self.rate = rows / seconds
        self.cpu_per_million = cpu / rows * 1e6
        self.walsender = walsender / seconds
        self.peak = peak


class Stream:
    """WAL written once, then read by many: a slot for each reading, copied from the first."""

    def __init__(self, postgres, name, rows):
        self.postgres, self.name, self.rows, self.copies = postgres, name, rows, 0
        postgres.execute(f"select pg_create_logical_replication_slot('{name}', 'pgoutput')")

    def close(self):
        self.end = self.postgres.value("select pg_current_wal_lsn()")
        # Something behind the end, so that the position of the end is passed for every reader.
        self.postgres.execute("select pg_logical_emit_message(false, 'bench', 'end'); select pg_switch_wal()")

    def slot(self):
        self.copies += 1
        copy = f"{self.name}_{self.copies}"
        self.postgres.execute(f"select pg_copy_logical_replication_slot('{self.name}', '{copy}')")
        return copy

    def drop(self):
        self.postgres.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                              f"where slot_name like '{self.name}%' and not active")


def walsender_of(postgres, slot):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        rows = postgres.execute(f"select active_pid from pg_replication_slots where slot_name='{slot}'", True)
        if rows and rows[0][0]:
            return rows[0][0]
        time.sleep(0.002)
    raise RuntimeError(f"nobody reads slot {slot}")


def read_with_pg_recvlogical(stream, tcp=False, publication="bench"):
    slot = stream.slot()
    began = time.monotonic()
    host = "127.0.0.1" if tcp else stream.postgres.folder
    process = subprocess.Popen(
        [BIN / "pg_recvlogical", "-h", host, "-p", str(stream.postgres.port), "-U", "postgres", "-d", "postgres",
         "--slot", slot, "--start", "-f", "/dev/null", "--endpos", stream.end, "-o", "proto_version=1",
         "-o", f"publication_names={publication}", "--no-loop"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pid = walsender_of(stream.postgres, slot)
    sender = 0.0
    while process.poll() is None:
        sender = max(sender, cpu_of(pid))
        time.sleep(0.02)
    seconds = time.monotonic() - began
    stream.postgres.execute(f"select pg_drop_replication_slot('{slot}')")
    return Run(seconds, 0.0, sender, stream.rows)


def config(folder, stream, slot, sinks, tcp=False, publication="bench", memory="256MiB", listen="none"):
    document = {
        "state_directory": str(folder / "state"), "memory": memory, "http": {"listen": listen},
        "pipelines": [{"name": "bench", "confirm_interval": "50ms",
                       "source": {"plugin": "pgoutput", "dsn": stream.postgres.dsn(tcp), "slot": slot,
                                  "publication": publication},
                       "sinks": sinks}]}
    path = folder / "leat.yaml"
    path.write_text(json.dumps(document))
    return path


def file_sink(folder, **options):
    return [{"name": "files", "plugin": "file", "directory": str(folder / "out"), "rotate_size": "64GiB", **options}]


def children_of(pid):
    """The processes of isolated sinks."""
    return {int(child) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()}


def read_with_leat(stream, sinks=None, tcp=False, publication="bench", memory="256MiB", env=None, keep=None,
                   listen="none", beside=None):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
    slot = stream.slot()
    path = config(folder, stream, slot, sinks(folder) if sinks else file_sink(folder), tcp, publication, memory, listen)
    end = lsn(stream.end)
    began = time.monotonic()
    process = subprocess.Popen([BUILD / "leat", "run", "-c", path], stderr=open(folder / "log", "w"),
                               env=dict(os.environ, **(env or {})))
    try:
        pid = walsender_of(stream.postgres, slot)
        done = beside() if beside else None
        sender = 0.0
        state = folder / "state" / "bench.state"
        while True:
            if process.poll() is not None:
                raise RuntimeError("leat ended:\n" + (folder / "log").read_text()[-2000:])
            sender = max(sender, cpu_of(pid))
            # The state file is written when everything up to a position is durable.
            if state.exists():
                position = [line for line in state.read_text().splitlines() if line.startswith("position")]
                if position and lsn(position[0].split('"')[1]) >= end:
                    break
            time.sleep(0.02)  # as seldom as with the baseline: looking costs the machine too
        seconds = time.monotonic() - began
        cpu, peak = cpu_of(process.pid) + sum(map(cpu_of, children_of(process.pid))), peak_of(process.pid)
        if done:
            done()
        if keep:
            keep(folder)
        return Run(seconds, cpu, sender, stream.rows, peak)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        stream.postgres.execute(f"select pg_drop_replication_slot('{slot}')")
        shutil.rmtree(folder, ignore_errors=True)


def compare(table, name, stream, repeats, tcp=False, **options):
    base, ours = [], []
    for _ in range(repeats):
        base.append(read_with_pg_recvlogical(stream, tcp))
        ours.append(read_with_leat(stream, tcp=tcp, **options))
    table.add(name, median([r.rate for r in base]), median([r.rate for r in ours]), "rows/s",
              f"walsender {median([r.walsender for r in ours]):.2f} of a core "
              f"(baseline {median([r.walsender for r in base]):.2f})")
    table.plain(f"{name}: CPU of leat", median([r.cpu_per_million for r in ours]), "s per million rows")
    table.plain(f"{name}: peak memory", median([r.peak for r in ours]), "MB resident")
    return base, ours


def fill(postgres, table, rows, per_transaction, row=ROW):
    """Rows in transactions of a given size, from one session."""
    postgres.execute(f"""create procedure fill_{table}() language plpgsql as $$
        begin for i in 0..{rows // per_transaction - 1} loop
          insert into {table} select {row.format(n=f'i::bigint * {per_transaction} + g')}
            from generate_series(1, {per_transaction}) g;
          commit; end loop; end $$""")
    postgres.execute(f"call fill_{table}()")


def bench_file(table, rows, repeats, names):
    folder = tempfile.mkdtemp(prefix="leat-bench-pg-")
    postgres = Postgres(folder)
    try:
        postgres.execute(f"create table t ({COLUMNS}); create publication bench for table t")
        stream = Stream(postgres, "base", rows)
        fill(postgres, "t", rows, 1000)
        stream.close()
        if "file" in names:
            compare(table, "file, unix socket", stream, repeats)
            compare(table, "file, TCP", stream, repeats, tcp=True)
        if "zstd" in names:
            compare(table, "file, zstd", stream, repeats, sinks=lambda f: file_sink(f, compression="zstd"))
        stream.drop()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def bench_isolation(table, rows, repeats, _names):
    """The file sink in leat's own process and in one of its own, in turns over the same WAL."""
    folder = tempfile.mkdtemp(prefix="leat-bench-pg-")
    postgres = Postgres(folder)
    try:
        postgres.execute(f"create table t ({COLUMNS}); create publication bench for table t")
        stream = Stream(postgres, "base", rows)
        fill(postgres, "t", rows, 1000)
        stream.close()
        inside, isolated = [], []
        for _ in range(repeats):
            inside.append(read_with_leat(stream))
            isolated.append(read_with_leat(stream, sinks=lambda f: file_sink(f, isolate=True)))
        table.add("file sink, isolated", median([r.rate for r in inside]), median([r.rate for r in isolated]),
                  "rows/s", f"baseline: the same sink in leat's own process; walsender {median([r.walsender for r in isolated]):.2f} "
                  f"of a core (baseline {median([r.walsender for r in inside]):.2f})")
        table.add("file sink, isolated: CPU of leat and its process", median([r.cpu_per_million for r in inside]),
                  median([r.cpu_per_million for r in isolated]), "s per million rows")
        stream.drop()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def bench_shapes(table, rows, repeats, _names):
    """Other shapes of the stream than many rows in a transaction."""
    folder = tempfile.mkdtemp(prefix="leat-bench-pg-")
    postgres = Postgres(folder)
    wide = ", ".join(f"c{i} text" for i in range(49))
    wide_row = "{n}, " + ", ".join(f"'v{i}-' || ({{n}}) % 100" for i in range(49))
    try:
        postgres.execute(f"create table one ({COLUMNS}); create table full_ ({COLUMNS}); "
                         f"create table wide (id bigint primary key, {wide}); create table huge ({COLUMNS}); "
                         "alter table full_ replica identity full; create publication bench for all tables")
        part = rows // 4
        stream = Stream(postgres, "one", part)
        fill(postgres, "one", part, 1)
        stream.close()
        compare(table, "one-row transactions", stream, repeats)
        stream.drop()
        fill(postgres, "full_", part, 1000)
        stream = Stream(postgres, "full_", part)
        postgres.execute("update full_ set customer = customer + 1")
        stream.close()
        compare(table, "updates, REPLICA IDENTITY FULL, one transaction", stream, repeats)
        stream.drop()
        stream = Stream(postgres, "wide", part // 2)
        fill(postgres, "wide", part // 2, 1000, wide_row)
        stream.close()
        compare(table, "rows of 50 columns", stream, repeats)
        stream.drop()
        stream = Stream(postgres, "huge", rows)
        fill(postgres, "huge", rows, rows)
        stream.close()
        compare(table, "one transaction of all rows", stream, repeats)
        stream.drop()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def durable_latencies(folder, rate):
    """Milliseconds from each record's commit to the end of the fdatasync that covered it."""
    syncs = {}
    took = []
    for line in (folder / "sync.log").read_text().splitlines():
        inode, size, begun, ended = map(int, line.split())
        syncs.setdefault(inode, []).append((size, ended))
        took.append((ended - begun) / 1000)
    late = []
    for path in (folder / "out").iterdir():
        if path.suffix != ".ndjson":
            continue
        marks, at, offset = syncs.get(path.stat().st_ino, []), 0, 0
        with open(path, "rb") as records:
            for line in records:
                offset += len(line)
                while at < len(marks) and marks[at][0] < offset:
                    at += 1
                if at == len(marks):
                    break
                text = line[line.index(b'"ts":"') + 6:][:26].decode()
                seconds = time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")
                micro = int(text[20:26].rstrip("Z") or 0)
                import calendar
                late.append((marks[at][1] - (calendar.timegm(seconds) * 1000000 + micro)) / 1000)
    return late, took


def bench_latency(table, _rows, _repeats, _names):
    shim = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-shim-"))
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", shim / "sync_log.so",
                    pathlib.Path(__file__).parent / "sync_log.c"], check=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-pg-"))
    # A commit is flushed at once (a walsender sends nothing else), at no cost: only leat's disk counts.
    postgres = Postgres(folder, fsync="off", synchronous_commit="on")
    try:
        postgres.execute(f"create table t (id bigserial primary key, customer int, code text, note text); "
                         "create publication bench for table t")
        script = folder / "one.sql"
        script.write_text("insert into t (customer, code, note) values (1, 'code', repeat('x', 150));\n")
        for rate, seconds in ((1000, 15), (20000, 15)):
            work = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
            stream = Stream(postgres, f"latency{rate}", 1)
            path = config(work, stream, stream.name, file_sink(work))
            process = subprocess.Popen([BUILD / "leat", "run", "-c", path], stderr=open(work / "log", "w"),
                                       env=dict(os.environ, LD_PRELOAD=str(shim / "sync_log.so"),
                                                SYNC_LOG=str(work / "sync.log")))
            walsender_of(postgres, stream.name)
            subprocess.run([BIN / "pgbench", "-n", "-h", postgres.folder, "-p", str(postgres.port), "-U", "postgres",
                            "-f", script, "-c", "8", "-j", "1", "-T", str(seconds), "-R", str(rate), "postgres"],
                           check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            cpu = cpu_of(process.pid)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            late, took = durable_latencies(work, rate)
            table.add(f"{rate:,} changes/s: commit to durable, p50", percentile(took, 0.5), percentile(late, 0.5), "ms",
                      f"baseline: fdatasync alone; {len(late) / seconds:,.0f} records/s came")
            table.add(f"{rate:,} changes/s: commit to durable, p99", percentile(took, 0.99), percentile(late, 0.99), "ms")
            table.plain(f"{rate:,} changes/s: CPU of leat", cpu / max(len(late), 1) * 1e6, "s per million rows")
            stream.drop()
            shutil.rmtree(work, ignore_errors=True)
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(shim, ignore_errors=True)


class Replayed:
    """A recorded stream, played by the stand-in walsender: no PostgreSQL in the way."""

    def __init__(self, rows, transactions_of):
        self.folder, self.rows = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-replay-")), rows
        postgres = Postgres(self.folder)
        self.tool = BUILD / "tests" / "replay_walsender"
        try:
            postgres.execute(f"create table t ({COLUMNS}); create publication bench for table t")
            postgres.execute("select pg_create_logical_replication_slot('replay', 'pgoutput')")
            fill(postgres, "t", rows, transactions_of)
            subprocess.run([self.tool, "record", self.folder / "stream", postgres.dsn() + " replication=database",
                            "replay", "bench", str(rows)], check=True, stdout=subprocess.DEVNULL)
        finally:
            postgres.stop()
        self.port = free_port()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def read_replayed(replayed, repeat, sinks):
    """(rows a second, CPU seconds a million rows) of leat, from the first byte until all is confirmed."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="leat-bench-"))
    server = subprocess.Popen([replayed.tool, "serve", replayed.folder / "stream", replayed.folder, str(replayed.port),
                               str(repeat)], stdout=subprocess.PIPE, text=True)
    document = {"state_directory": str(work / "state"), "http": {"listen": "none"},
                "pipelines": [{"name": "bench", "confirm_interval": "50ms",
                               "source": {"plugin": "pgoutput", "slot": "replay", "publication": "bench",
                                          "dsn": f"host={replayed.folder} port={replayed.port} user=postgres "
                                                 "dbname=postgres"},
                               "sinks": sinks(work)}]}
    (work / "leat.yaml").write_text(json.dumps(document))
    process = subprocess.Popen([BUILD / "leat", "run", "-c", work / "leat.yaml"], stderr=open(work / "log", "w"))
    try:
        line = server.stdout.readline()
        while line and "confirmed" not in line:
            line = server.stdout.readline()
        rate = float(line.rsplit(": ", 1)[1].split()[0])
        return rate, cpu_of(process.pid) / (replayed.rows * repeat) * 1e6
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        server.kill()
        server.wait()
        shutil.rmtree(work, ignore_errors=True)


def bench_ceiling(table, _rows, repeats, _names):
    replayed = Replayed(200000, 1000)
    try:
        runs = [read_replayed(replayed, 20, file_sink) for _ in range(repeats)]
        table.add("leat's own ceiling: a replayed stream into files", 2e6, median([rate for rate, _ in runs]), "rows/s",
                  "baseline: the aim of 2,000,000")
        table.plain("leat's own ceiling: CPU", median([cpu for _, cpu in runs]), "s per million rows")
    finally:
        replayed.close()


BENCHES = {"file": bench_file, "zstd": bench_file, "isolation": bench_isolation, "shapes": bench_shapes, "latency": bench_latency,
           "ceiling": bench_ceiling}
for extra in ("brokers", "nats_times", "nats_atomic", "operate"):
    if (pathlib.Path(__file__).parent / f"{extra}.py").exists():
        module = __import__(extra)
        BENCHES.update(module.BENCHES)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(BENCHES), metavar="NAME",
                        help="one or more of: " + ", ".join(sorted(BENCHES)))
    parser.add_argument("--rows", type=int, default=2000000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    table = Table()
    done = set()
    for name in arguments.names:
        run = BENCHES[name]
        if run in done:
            continue
        done.add(run)
        print(f"{name}:", flush=True)
        run(table, arguments.rows, arguments.repeats, arguments.names)
    table.print()


if __name__ == "__main__":
    main()
