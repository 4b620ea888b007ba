# SPDX-License-Identifier: Apache-2.0
"""scripts/bench operate: what being watched costs: a scrape a second and the page open, against nobody looking.

The page is played by its requests, /status once a second: a browser on the same machine would be measured instead."""
import http.client
import shutil
import sys
import tempfile
import threading

from servers import Postgres, free_port, median


bench = sys.modules["__main__"]  # bench.py, which imports us


class Watcher:
    """One keep-alive connection for the scrapes and one for the page."""

    def __init__(self, port):
        self.port, self.quiet, self.answers, self.failures = port, threading.Event(), 0, []
        self.threads = [threading.Thread(target=self.look, args=(path,)) for path in ("/metrics", "/status")]
        for thread in self.threads:
            thread.start()

    def look(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while True:
            try:
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                self.answers += 1
            except Exception as why:  # told at the end: the figure would be worth nothing
                self.failures.append(why)
                connection.close()
            if self.quiet.wait(1):
                return

    def stop(self):
        self.quiet.set()
        for thread in self.threads:
            thread.join()
        assert self.answers >= 4 and not self.failures, (self.answers, self.failures[:3])


def bench_operate(table, rows, repeats, _names):
    folder = tempfile.mkdtemp(prefix="leat-bench-pg-")
    postgres = Postgres(folder)
    alone, watched = [], []
    try:
        postgres.execute(f"create table t ({bench.COLUMNS}); create publication bench for table t")
        stream = bench.Stream(postgres, "base", rows)
        bench.fill(postgres, "t", rows, 1000)
        stream.close()
        port = free_port()
        for turn in range(repeats):
            # Which one goes first changes: a machine that gets warmer favours neither.
            for watching in ((False, True) if turn % 2 == 0 else (True, False)):
                run = bench.read_with_leat(stream, listen=f"127.0.0.1:{port}",
                                           beside=(lambda: Watcher(port).stop) if watching else None)
                (watched if watching else alone).append(run)
        table.add("file, a scrape a second and the page open", median([r.rate for r in alone]),
                  median([r.rate for r in watched]), "rows/s", "baseline: the same, and nobody looks; aim: at least 0.98")
        table.plain("CPU of leat, nobody looks", median([r.cpu_per_million for r in alone]), "s per million rows")
        table.plain("CPU of leat, watched", median([r.cpu_per_million for r in watched]), "s per million rows")
        stream.drop()
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


BENCHES = {"operate": bench_operate}
