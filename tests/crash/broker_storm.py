# SPDX-License-Identifier: Apache-2.0
"""The storm with a broker at the end of the pipeline: leat, the broker and PostgreSQL are the victims.  What counts is
what is read back from the stream or the topic."""
import contextlib
import json
import signal
import time

from leat_harness import places, truth, wait, workload
from leat_harness.leat import Leat, settle
from leat_harness.postgres import Postgres
from storm import Storm

FILE_ONLY = {"fault_full_disk", "fault_torn_tail"}


class BrokerStorm(Storm):
    """`make_target` gives the broker (leat_harness.nats.Target or leat_harness.kafka.Target)."""

    def __init__(self, seed, make_target, **options):
        self.make_target = make_target
        super().__init__(seed, **options)

    def set_up(self, build, sessions, pace):
        self.postgres = self.keep(Postgres(settings="wal_sender_timeout = 10s\n"))
        self.db = self.postgres.new_database()
        workload.set_up(self.db)
        self.first = self.db.lsn()
        self.disk = None
        self.target = self.keep(self.make_target())
        self.folder = places.new_folder("b")
        self.daemon = self.keep(Leat(self.db.dsn(), folder=self.folder, build=build, sinks=[self.target.sink()],
                                     pipeline={"confirm_interval": "100ms"},
                                     top={"memory": "32MiB", "http": {"listen": f"unix:{self.folder}/s"}}))
        self.daemon.start()
        self.daemon.wait_streaming(self.db)
        self.work = workload.Workload(self.db, self.seed, sessions, pace=pace, messages=True)
        self.work.start()

    def faults(self):
        return sorted({name for name in dir(self) if name.startswith("fault_")} - FILE_ONLY)

    # ---- what can happen to a broker ------------------------------------------------------------

    def fault_kill_broker(self):
        self.target.kill()
        self.some_moment(0.6)
        self.target.start()

    def fault_freeze_broker(self):
        """What lies in its sockets by then is written when it goes on."""
        self.target.pause()
        self.some_moment(4.0)
        self.target.resume()

    def fault_freeze_broker_and_kill_leat(self):
        self.target.pause()
        self.some_moment(0.5)
        self.daemon.kill()
        self.daemon.start()
        self.some_moment(1.5)
        self.target.resume()

    def fault_kill_broker_and_leat(self):
        first, second = self.random.sample([self.daemon.kill, self.target.kill], 2)
        first()
        second()
        first, second = self.random.sample([self.daemon.start, self.target.start], 2)
        first()
        self.some_moment(0.3)
        second()

    def fault_terminate_leat(self):
        """A broker that is not there yet is waited for, not longer than shutdown_timeout."""
        self.daemon.wait_said()
        self.daemon.signal(signal.SIGTERM)
        status = self.daemon.wait_exit(60)
        assert status == 0, f"SIGTERM: exit {status}\n{self.daemon.stderr_tail()}"
        self.daemon.start()

    # ---- the end --------------------------------------------------------------------------------

    def settle(self, timeout=120):
        """Returns when all that was committed is confirmed."""
        settle(self.daemon, self.db, timeout)

    def verify(self):
        self.work.finish()
        self.settle()
        status = self.daemon.terminate()
        assert status == 0, f"SIGTERM: exit {status}\n{self.daemon.stderr_tail()}"
        return truth.verify(self.db, self.target.lines(), self.first, self.seed)


class Load:
    """One table, one writer, many rows; leat is killed again and again while they travel."""

    def __init__(self, make_target, rows, say=lambda text: None):
        self.rows, self.filled, self.say, self.made = rows, 0, say, []
        try:
            self.postgres = self.keep(Postgres())
            self.db = self.postgres.new_database()
            self.db.execute("CREATE TABLE load (id int PRIMARY KEY, name text, price numeric, at timestamptz, ok bool, "
                            "note text); CREATE PUBLICATION leat FOR TABLE load")
            self.target = self.keep(make_target())
            self.daemon = self.keep(Leat(self.db.dsn(), sinks=[self.target.sink()],
                                         pipeline={"confirm_interval": "10ms"}))
            self.daemon.start()
            self.daemon.wait_streaming(self.db)
        except BaseException:
            self.destroy()
            raise

    keep = Storm.keep

    def destroy(self):
        for thing in reversed(self.made):
            with contextlib.suppress(OSError):
                thing.destroy()

    def fill(self):
        """Transactions of 1 to 5,000 rows."""
        end, turn = self.filled + self.rows, 0
        while self.filled < end:
            count = min((1, 7, 100, 900, 1200, 5000)[turn % 6], end - self.filled)
            self.db.execute(f"INSERT INTO load SELECT g, 'name ' || g, g * 1.25, now(), g % 2 = 0, repeat('n', 60) "
                            f"FROM generate_series({self.filled + 1}, {self.filled + count}) g")
            self.filled, turn = self.filled + count, turn + 1

    def confirmed(self):
        return self.db.scalar("SELECT confirmed_flush_lsn - '0/0'::pg_lsn FROM pg_replication_slots")

    def kill_often(self, kills, wanted):
        """As often as told, and again with as many rows when fewer than `wanted` fell while there was something to deliver: who
        kills may be given its turn only when all is through.  Returns how many did."""
        early = 0
        for _ in range(5):
            early += self.kill_during(kills)
            if early >= wanted:
                break
        assert self.daemon.terminate() == 0
        return early

    def kill_during(self, kills):
        """All rows are committed before the first kill; each kill falls when a further part has been confirmed.
        Returns how many fell while there was something to deliver."""
        first = self.confirmed()
        self.daemon.signal(signal.SIGSTOP)
        self.fill()
        last = self.db.scalar("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        self.daemon.signal(signal.SIGCONT)
        began, early = time.monotonic(), 0
        for kill in range(kills):
            mark = first + (last - first) * (kill + 1) / (kills + 2)
            def reached():
                self.daemon.must_run()
                return self.confirmed() >= mark
            wait.until(reached, lambda: f"position {mark}\n{self.daemon.stderr_tail()}", 120, pause=0.001)
            self.daemon.kill()
            early += self.confirmed() < last
            self.daemon.start()
        BrokerStorm.settle(self)
        self.say(f"{self.rows} rows, {kills} kills ({early} in flight), {time.monotonic() - began:.1f} s")
        return early

    def count(self):
        """(lost, doubled) as read back."""
        seen = {}
        for line in self.target.lines():
            record = json.loads(line)
            if record["op"] == "insert":
                number = record["after"]["id"]
                seen[number] = seen.get(number, 0) + 1
        return self.filled - len(seen), sum(times - 1 for times in seen.values())
