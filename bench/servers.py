# SPDX-License-Identifier: Apache-2.0
"""What every benchmark needs: a private PostgreSQL, processes whose use of the machine is counted, medians."""
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("LEAT_BUILD", ROOT / "build" / "release"))
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def as_postgres(command):
    if os.geteuid() != 0:
        return [str(word) for word in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *map(str, command)]


class Postgres:
    def __init__(self, folder, fsync="on", synchronous_commit="off"):
        self.folder = pathlib.Path(folder) / "pg"
        self.port = free_port()
        self.folder.mkdir()
        os.chmod(folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.data = self.folder / "data"
        subprocess.run(as_postgres([BIN / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync"]),
                       check=True, stdout=subprocess.DEVNULL)
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(f"port={self.port}\nlisten_addresses='127.0.0.1'\nunix_socket_directories='{self.folder}'\n"
                       f"wal_level=logical\nmax_wal_senders=20\nmax_replication_slots=60\nmax_wal_size=16GB\n"
                       f"shared_buffers=512MB\nfsync={fsync}\nsynchronous_commit={synchronous_commit}\nautovacuum=off\n"
                       "checkpoint_timeout=1h\n")
        subprocess.run(as_postgres([BIN / "pg_ctl", "-D", self.data, "-l", self.folder / "log", "-w", "start"]),
                       check=True, stdout=subprocess.DEVNULL)

    def dsn(self, tcp=False, dbname="postgres"):
        host = "127.0.0.1" if tcp else self.folder
        return f"host={host} port={self.port} user=postgres dbname={dbname}"

    def execute(self, sql, fetch=False):
        connection = psycopg2.connect(self.dsn())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(sql)
            rows = cursor.fetchall() if fetch else None
        connection.close()
        return rows

    def value(self, sql):
        return self.execute(sql, True)[0][0]

    def stop(self):
        subprocess.run(as_postgres([BIN / "pg_ctl", "-D", self.data, "-m", "immediate", "stop"]), check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def cpu_of(pid):
    """User and system seconds of a running process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def peak_of(pid):
    """Peak resident memory in MB."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return 0.0


def lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


class Table:
    """Collects lines: name, the baseline's figure, ours, the ratio."""

    def __init__(self):
        self.lines = []

    def add(self, name, base, ours, unit, note="", better="higher"):
        ratio = ours / base if base else float("nan")
        self.lines.append((name, base, ours, ratio, unit, note))
        print(f"  {name}: baseline {base:,.4g} ours {ours:,.4g} ratio {ratio:.3f} {unit} {note}", flush=True)

    def plain(self, name, figure, unit, note=""):
        self.lines.append((name, None, figure, None, unit, note))
        print(f"  {name}: {figure:,.4g} {unit} {note}", flush=True)

    def print(self):
        width = max((len(line[0]) for line in self.lines), default=10)
        print(f"\n{'benchmark':{width}} {'baseline':>12} {'leat':>12} {'ratio':>7}  unit")
        for name, base, ours, ratio, unit, note in self.lines:
            left = f"{base:12,.4g}" if base is not None else " " * 12
            right = f"{ratio:7.3f}" if ratio is not None else " " * 7
            print(f"{name:{width}} {left} {ours:12,.4g} {right}  {unit}{'  ' + note if note else ''}")


median = statistics.median
