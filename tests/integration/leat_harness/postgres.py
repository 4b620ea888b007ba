# SPDX-License-Identifier: Apache-2.0
"""A private PostgreSQL cluster: made in a folder of its own, reached over its Unix socket, killed and restarted."""
import contextlib
import os
import pathlib
import signal
import subprocess

import psycopg2
import psycopg2.extensions

from . import places, versions, wait

# What leat asks for in its start-up packet, so that the judge prints values the same way.
JUDGE = ("-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=1 -c bytea_output=hex "
         "-c lc_monetary=C -c search_path=pg_catalog")

SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0777
wal_level = logical
max_wal_senders = 20
max_replication_slots = 40
max_connections = 80
max_prepared_transactions = 10
fsync = off
full_page_writes = off
autovacuum_naptime = 5s
shared_buffers = 64MB
max_wal_size = 2GB
wal_keep_size = 1GB
track_commit_timestamp = on
log_line_prefix = '%m [%p] %q%u@%d '
log_min_messages = warning
log_min_error_statement = panic
log_error_verbosity = terse
"""


class Postgres:
    """One cluster.  Everything is in self.folder, which destroy() removes."""

    frozen = ()  # processes

    def __init__(self, major=versions.DEBIAN, settings="", tcp=False):
        self.major = major
        self.bin = versions.programs(major)
        self.folder = places.new_folder(f"pg{major}")
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        self.log = self.folder / "log"
        self.port = places.free_port()
        self.process = None
        self.generation = 0  # of the server process
        self._count = 0
        for path in (self.socket, self.data):
            path.mkdir()
            places.give_to_postgres(path)
        places.give_to_postgres(self.folder)
        self.data.chmod(0o700)
        places.run(places.as_postgres([self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                                       "-E", "UTF8", "--locale=C", "--no-sync"]))
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as conf:
            conf.write(SETTINGS + f"unix_socket_directories = '{self.socket}'\nport = {self.port}\n")
            if tcp:
                conf.write("listen_addresses = '127.0.0.1'\n")
            conf.write(settings + "\n")
        with open(self.data / "pg_hba.conf", "w", encoding="utf-8") as hba:
            hba.write("local all all trust\nlocal replication all trust\n"
                      "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n")
        self.start()
        # The role as `leat setup` makes it: it may replicate, and reads no table.
        self.execute("CREATE ROLE leat LOGIN REPLICATION")

    # ---- life -----------------------------------------------------------------------------------

    def start(self, wait_ready=True):
        assert self.process is None or self.process.poll() is not None
        self.generation += 1
        log = open(self.log, "ab")
        self.process = subprocess.Popen(
            places.as_postgres([self.bin / "postgres", "-D", self.data], die_with_us="QUIT"),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        log.close()
        if wait_ready:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"PostgreSQL did not start:\n{self.log_tail()}"
            try:
                self.connect().close()
                return True
            except psycopg2.OperationalError:
                return False
        wait.until(ready, "PostgreSQL to accept connections")

    def stop(self, how=signal.SIGINT, timeout=60):
        """SIGINT is the fast shutdown.  False when it did not end in time."""
        if self.process is None or self.process.poll() is not None:
            return True
        self.process.send_signal(how)
        try:
            self.process.wait(timeout)
            return True
        except subprocess.TimeoutExpired:
            return False

    def children(self):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):
                    stat = (entry / "stat").read_text()
                    if int(stat.rsplit(")", 1)[1].split()[1]) == self.process.pid:
                        found.append(int(entry.name))
        return found

    def kill(self):
        """kill -9 of the postmaster and of everything it started."""
        os.kill(self.process.pid, signal.SIGSTOP)  # it starts nothing more
        children = self.children()
        for pid in [self.process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait.until(lambda: not any(_alive(pid) for pid in children), "PostgreSQL's processes to be gone")

    def freeze(self):
        """It stands still, with everything it started; thaw() sets it going."""
        wait.freeze(self.process.pid)  # it starts nothing more
        self.frozen = [self.process.pid, *self.children()]
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                wait.freeze(pid)

    def thaw(self):
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = ()

    def destroy(self):
        self.thaw()
        if self.process is not None and self.process.poll() is None:
            if not self.stop(signal.SIGQUIT, 10):
                self.kill()
        places.remove(self.folder)

    def log_tail(self, lines=60):
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    # ---- use ------------------------------------------------------------------------------------

    def dsn(self, database="postgres", user="leat"):
        return f"host={self.socket} port={self.port} dbname={database} user={user}"

    def connect(self, database="postgres", user="postgres", judge=False, autocommit=True):
        connection = psycopg2.connect(self.dsn(database, user), options=JUDGE if judge else "")
        connection.autocommit = autocommit
        return connection

    def execute(self, sql, args=None, database="postgres"):
        with contextlib.closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall() if cursor.description else None

    def scalar(self, sql, args=None, database="postgres"):
        return self.execute(sql, args, database)[0][0]

    def new_database(self):
        self._count += 1
        name = f"d{self._count}"
        self.execute(f"CREATE DATABASE {name}")
        return Database(self, name)


def _alive(pid):
    try:
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


class Database:
    """One database of a cluster, for one test."""

    def __init__(self, postgres, name):
        self.postgres = postgres
        self.name = name
        self.connection, self.generation = postgres.connect(name), postgres.generation

    def execute(self, sql, args=None):
        """Percent signs stand for themselves where there are no arguments."""
        if self.connection.closed or self.generation != self.postgres.generation:
            self.connection, self.generation = self.postgres.connect(self.name), self.postgres.generation
        with self.connection.cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall() if cursor.description else None

    def scalar(self, sql, args=None):
        return self.execute(sql, args)[0][0]

    def connect(self, **options):
        return self.postgres.connect(self.name, **options)

    def dsn(self, user="leat"):
        return self.postgres.dsn(self.name, user)

    def slot(self, name):
        """The slot's row as a dictionary, or None."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM pg_replication_slots WHERE slot_name = %s", (name,))
            row = cursor.fetchone()
            slot = dict(zip([column.name for column in cursor.description], row)) if row else None
        connection.close()
        return slot

    def slot_active(self, name, since=0):
        """The pid of the walsender that streams from it, begun at `since` (seconds since 1970) or later, or None.  A slot
        that is being made is active too, but has confirmed nothing yet: what is committed then is not in the stream."""
        return self.scalar("SELECT max(active_pid) FROM pg_replication_slots JOIN pg_stat_activity ON pid = active_pid "
                           "WHERE slot_name = %s AND active AND confirmed_flush_lsn IS NOT NULL "
                           "AND backend_start >= to_timestamp(%s)", (name, since))

    def caught_up(self, slot, lsn):
        """Has the slot confirmed up to lsn?"""
        return self.scalar("SELECT coalesce(bool_or(confirmed_flush_lsn >= %s::pg_lsn), false) "
                           "FROM pg_replication_slots WHERE slot_name = %s", (lsn, slot))

    def lsn(self):
        return self.scalar("SELECT pg_current_wal_insert_lsn()::text")

    def drop(self):
        """The database with its slots; whoever streams from one is ended."""
        with contextlib.suppress(psycopg2.Error):
            self.connection.close()
        pg = self.postgres
        if pg.process is None or pg.process.poll() is not None:
            return
        def gone():
            pg.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots "
                       "WHERE database = %s AND active", (self.name,))
            try:
                pg.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = %s",
                           (self.name,))
                return True
            except psycopg2.Error:
                return False
        wait.until(gone, "the slots to be dropped", 20)
        pg.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
