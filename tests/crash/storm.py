# SPDX-License-Identifier: Apache-2.0
"""A workload is running, leat writes it to files, and things break at random moments.  Afterwards every committed
change is in the files once."""
import os
import random
import shutil
import signal
import stat
import time

from leat_harness import places, records, truth, wait, workload
from leat_harness.leat import Leat, command
from leat_harness.postgres import Postgres
from commands import Commands

STAGES = ["source_connected", "batch_published", "record_encoded", "submitted", "sink_written", "sink_synced",
          "batch_done", "state_written", "state_renamed", "before_feedback", "draining", "reload_checked",
          "reload_settled", "reload_stopped", "reload_switched"]


def has_stages(build):
    """Whether this build dies where LEAT_DIE_AT says; the program is asked, whatever its folder is called."""
    done = command("--version", build=build, env={"LEAT_DIE_AT": "begun"})
    assert done.returncode in (0, -signal.SIGKILL), f"{build}/leat --version: exit {done.returncode}\n{done.stderr}"
    return done.returncode != 0


class Storm(Commands):
    """One cluster, one database, one daemon, one workload.  A fault is a method whose name begins with fault_; when it
    returns, leat streams again (or is on its way)."""

    def __init__(self, seed, build=None, sessions=3, pace=0.01, isolate=False, keep_failed=False,
                 say=lambda text: None):
        self.seed = str(seed)
        self.random = random.Random(self.seed)
        self.say = say
        self.made = []
        self.isolate = isolate
        try:
            self.set_up(build, sessions, pace)
        except BaseException:
            if keep_failed:
                self.save_files()
            self.destroy()
            raise

    def set_up(self, build, sessions, pace):
        self.postgres = self.keep(Postgres(settings="wal_sender_timeout = 10s\n"))
        self.db = self.postgres.new_database()
        workload.set_up(self.db)
        self.first = self.db.lsn()
        self.folder = places.new_folder("c")
        self.disk = None
        directory = self.folder / "out"
        if places.is_root():
            self.disk = self.keep(places.SmallDisk(directory, 200 << 20))
            directory = directory / "archive"
        self.daemon = self.keep(Leat(self.db.dsn(), folder=self.folder, build=build, sink={
            "directory": str(directory), "rotate_size": "256KiB", **({"isolate": True} if self.isolate else {}),
            "compression": self.random.choice(["none", "zstd"])},
            top={"memory": "32MiB", "http": {"listen": f"unix:{self.folder}/s"}}))
        self.daemon.out = directory
        self.daemon.start()
        self.daemon.wait_streaming(self.db)
        self.work = workload.Workload(self.db, self.seed, sessions, pace=pace, messages=True)
        self.work.start()

    def keep(self, thing):
        self.made.append(thing)
        return thing

    def save_files(self):
        """The daemon's folder and the server's log, of as much as there is; what cannot be read is left out."""
        kept = places.new_folder("crash-failed")
        if hasattr(self, "folder"):
            try:
                shutil.copytree(self.folder, kept / "leat", symlinks=True, ignore=lambda folder, names: [
                    name for name in names if stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode)])
            except (OSError, shutil.Error) as error:
                self.say(f"not all files are kept: {error}")
        if hasattr(self, "postgres") and self.postgres.log.exists():
            shutil.copy(self.postgres.log, kept / "postgresql.log")
        self.say(f"storm {self.seed} failed; its files are in {kept}")
        return kept

    def destroy(self):
        if hasattr(self, "work"):
            self.work.stop.set()
            self.work.wait()
        for thing in reversed(self.made):
            (thing.destroy if hasattr(thing, "destroy") else thing.close)()
        if hasattr(self, "folder"):
            places.remove(self.folder)

    # ---- helpers --------------------------------------------------------------------------------

    def some_moment(self, longest=0.4):
        """Something will happen at a moment that nothing is waiting for."""
        time.sleep(self.random.uniform(0, longest))

    def restart_leat(self, **options):
        self.daemon.start(**options)
        self.daemon.wait_streaming(self.db)

    def faults(self):
        names = sorted(name for name in dir(self) if name.startswith("fault_"))
        return [name for name in names if name != "fault_full_disk" or self.disk]

    def strike(self, name=None):
        name = name or self.random.choice(self.faults())
        before = self.work.committed()
        self.some_moment()
        self.say(f"{name[6:].replace('_', ' ')}")
        getattr(self, name)()
        self.daemon.must_run()
        # The next blow falls on a daemon that works again, most of the time.
        if self.random.random() < 0.7:
            self.daemon.wait_streaming(self.db)
            wait.until(lambda: self.work.committed() > before + 3, "the workload to go on")
        return name

    # ---- what can happen ------------------------------------------------------------------------

    def fault_kill_leat(self):
        self.daemon.kill()
        self.some_moment(0.2)
        self.daemon.start()

    def strike_helper(self):
        """The process of an isolated sink is killed; leat goes on."""
        for pid in self.daemon.helpers():
            os.kill(pid, signal.SIGKILL)

    def fault_kill_leat_as_it_starts(self):
        for _ in range(self.random.randint(1, 4)):
            self.daemon.kill()
            self.daemon.start()
            self.some_moment(0.1)
        self.daemon.kill()
        self.daemon.start()

    def fault_torn_tail(self):
        """A crash of the machine can leave the beginning of a record behind the last whole one."""
        self.daemon.kill()
        paths = records.segments(self.daemon.out)
        if paths:
            data = paths[-1].read_bytes()
            if paths[-1].name.endswith(".zst"):
                garbage = self.random.choice([b"\x28", b"\x28\xb5\x2f\xfd", b"\x28\xb5\x2f\xfd\x00\x58\x31\x00\x00",
                                              os.urandom(self.random.randint(1, 400)), b"\0" * 4096])
            else:
                line = data[:data.find(b"\n")] or b'{"op":"insert","schema":"pu'
                garbage = self.random.choice([line[:self.random.randint(1, len(line))], b"{", b'{"op":"',
                                              b"\0" * self.random.randint(1, 5000)])
            with open(paths[-1], "ab") as file:
                file.write(garbage)
        self.daemon.start()

    def fault_terminate_leat(self):
        status = self.daemon.terminate()
        assert status == 0, f"SIGTERM: exit {status}\n{self.daemon.stderr_tail()}"
        self.daemon.start()

    def fault_terminate_leat_twice(self):
        self.daemon.wait_said()
        self.daemon.signal(signal.SIGTERM)
        self.some_moment(0.01)
        if self.daemon.running():
            self.daemon.signal(signal.SIGTERM)
        self.daemon.wait_exit(60)  # two that come together are one
        self.daemon.start()

    def fault_freeze_leat(self):
        self.daemon.signal(signal.SIGSTOP)
        self.some_moment(1.0)
        self.daemon.signal(signal.SIGCONT)

    def fault_freeze_walsender(self):
        pid = self.db.slot_active(self.daemon.slot)
        if pid:
            os.kill(pid, signal.SIGSTOP)
            self.some_moment(1.0)
            os.kill(pid, signal.SIGCONT)

    def fault_end_walsender(self):
        self.db.execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")

    def fault_kill_postgres(self):
        self.postgres.kill()
        self.some_moment(0.2)
        self.postgres.start()

    def fault_restart_postgres(self):
        assert self.postgres.stop(timeout=45), "a fast shutdown waits for leat"
        self.some_moment(0.2)
        self.postgres.start()

    def fault_kill_both(self):
        first, second = self.random.sample([self.daemon.kill, self.postgres.kill], 2)
        first()
        second()
        self.postgres.start()
        self.daemon.start()

    def fault_full_disk(self):
        self.disk.fill()
        self.some_moment(1.5)
        kind = self.random.choice(["", "", "kill", "terminate"])
        if kind == "kill":
            self.daemon.kill()
            if self.random.random() < 0.5:
                self.disk.drain()
            self.daemon.start()
        elif kind == "terminate":
            self.daemon.wait_said()
            self.daemon.signal(signal.SIGTERM)
            self.some_moment(0.5)
            self.disk.drain()
            assert self.daemon.wait_exit() == 0, self.daemon.stderr_tail()
            self.daemon.start()
        self.some_moment(0.5)
        self.daemon.must_run()
        self.disk.drain()

    def die_at(self, stage, times=1):
        """The debug build kills itself when it has passed the stage so many times."""
        assert has_stages(self.daemon.build), f"{self.daemon.build} has no stages: LEAT_DIE_AT needs a debug build"
        status = self.daemon.terminate()
        assert status == 0, f"SIGTERM: exit {status}\n{self.daemon.stderr_tail()}"
        self.daemon.start(env={"LEAT_DIE_AT": f"{stage}:{times}"})
        if stage == "draining":
            self.daemon.wait_streaming(self.db)
            self.some_moment()
            self.daemon.signal(signal.SIGTERM)
        if stage.startswith("reload"):
            self.daemon.wait_streaming(self.db)
            self.some_moment()
            for _ in range(times):
                self.change()
                self.daemon.signal(signal.SIGHUP)
                self.some_moment()
            while self.daemon.running():  # several signals may have been one
                self.daemon.signal(signal.SIGHUP)
                self.some_moment()
        status = self.daemon.wait_exit(60)
        assert status == -signal.SIGKILL, f"LEAT_DIE_AT={stage}:{times}: exit {status}\n{self.daemon.stderr_tail()}"
        self.daemon.start()

    # ---- the end --------------------------------------------------------------------------------

    def verify(self):
        """Everything is there once; the number of changes that were compared."""
        self.work.finish()
        if not self.daemon.running():
            self.daemon.start()
        self.daemon.fence(self.db, timeout=120)
        status = self.daemon.terminate()
        assert status == 0, f"SIGTERM: exit {status}\n{self.daemon.stderr_tail()}"
        return truth.verify(self.db, self.daemon.lines(), self.first, self.seed)
