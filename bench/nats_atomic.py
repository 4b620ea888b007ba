# SPDX-License-Identifier: Apache-2.0
"""publish: atomic beside the server's own bench tool (`nats bench js pub atomic`), in turns, on one server.

Both send batches of 1,000 messages of one size, on subjects of one length, into streams of the same settings, and wait for
the commit of each batch.  The tool makes its messages in memory; leat reads them out of PostgreSQL's stream, once from
PostgreSQL itself, which takes a share of the same cores, and once from a stand-in that plays what PostgreSQL sent.
"""
import base64
import os
import shutil
import subprocess
import sys

from brokers import Nats, nats_program, with_stream
from servers import median

ROWS = 300000  # enough for seconds: the rate is that of the server's disk files, not of a start
BATCH = 1000
SETTINGS = (("not syncing", ""), ("syncing always", ", sync_interval: always"))


def bench():
    return sys.modules["__main__"]  # bench.py, which imports us


def tool():
    """The nats command line tool, or None."""
    return shutil.which(os.environ.get("LEAT_NATS_CLI") or "nats")


class Turns:
    """One server, and a fresh stream for each turn on it."""

    def __init__(self, program, settings, extra):
        self.server, self.extra, self.count, self.size = Nats(program, settings), extra, 0, 0

    def fresh(self):
        if self.count:
            self.server.drop(f"A{self.count}")
        self.count += 1
        self.server.stream(f"A{self.count}", **self.extra)
        return f"A{self.count}"

    def sinks(self, dedupe):
        name = self.fresh()
        return [{"name": "bus", "plugin": "nats", "url": f"nats://127.0.0.1:{self.server.port}", "stream": name,
                 "route": name + ".{schema}.{table}.{op}", "confirm_hold": "0s", "publish": "atomic", "dedupe": dedupe}]

    def look(self, rows):
        """The size of a payload of leat's, which the tool is to send too."""
        answer = self.server.request(f"$JS.API.STREAM.MSG.GET.A{self.count}", f'{{"seq":{rows // 2}}}')
        self.size = len(base64.b64decode(answer["message"]["data"]))

    def by_tool(self, rows, *options):
        name = self.fresh()
        done = subprocess.run(
            [tool(), "-s", f"nats://127.0.0.1:{self.server.port}", "bench", "js", "pub", "atomic",
             f"{name}.public.t.insert", "--stream", name, "--batch", str(BATCH), "--msgs", str(rows),
             "--size", str(self.size), "--no-progress", *options], capture_output=True, text=True, check=True)
        line = next(line for line in done.stdout.splitlines() if "stats:" in line)
        return float(line.split("stats:")[1].split()[0].replace(",", ""))


def read_with_one(turns, stream, replayed, rows):
    """A turn of each: name -> rows a second."""
    main, rates = bench(), {}
    for dedupe in ("sequence", "msg_id"):
        rates[f"postgres, {dedupe}"] = main.read_with_leat(stream, sinks=lambda _folder: turns.sinks(dedupe)).rate
        turns.look(rows)
        rates[f"replayed, {dedupe}"], _ = main.read_replayed(replayed, 1, lambda _folder: turns.sinks(dedupe))
    rates["tool, sequence"] = turns.by_tool(rows)
    rates["tool, msg_id"] = turns.by_tool(rows, "--dedup")
    return rates


def report(table, name, runs, size):
    for dedupe, what in (("sequence", "without ids"), ("msg_id", "with ids")):
        base = median([run[f"tool, {dedupe}"] for run in runs])
        for source, told in (("replayed", "a replayed stream"), ("postgres", "PostgreSQL on the same cores")):
            table.add(f"nats, atomic, {name}, {what}, from {told}", base,
                      median([run[f"{source}, {dedupe}"] for run in runs]), "rows/s",
                      f"baseline: nats bench js pub atomic{' --dedup' if dedupe == 'msg_id' else ''} "
                      f"--batch {BATCH} --size {size}; leat: dedupe: {dedupe}")


def bench_nats_atomic(table, rows, repeats, _names):
    program, extra = nats_program()
    if not extra:
        print("  nats-atomic: skipped: this nats-server has no atomic batches")
        return
    if not tool():
        print("  nats-atomic: skipped: no `nats` command line tool (in PATH, or named by LEAT_NATS_CLI)")
        return
    rows = min(rows, ROWS)
    replayed = bench().Replayed(rows, BATCH)

    def run(stream):
        for name, settings in SETTINGS:
            turns = Turns(program, settings, extra)
            try:
                runs = [read_with_one(turns, stream, replayed, rows) for _ in range(repeats)]
                report(table, name, runs, turns.size)
            finally:
                turns.server.stop()

    try:
        with_stream(rows, run)
    finally:
        replayed.close()


BENCHES = {"nats-atomic": bench_nats_atomic}
