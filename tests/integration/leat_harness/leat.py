# SPDX-License-Identifier: Apache-2.0
"""The daemon: its configuration file, its processes, its files."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import time

from . import places, records, wait


def yaml(value, depth=0):
    """Block style with quoted scalars, as much YAML as a configuration needs."""
    pad = "  " * depth
    if isinstance(value, dict):
        out = ""
        for key, item in value.items():
            if isinstance(item, (dict, list)) and item:
                out += f"{pad}{key}:\n{yaml(item, depth + 1)}"
            else:
                out += f"{pad}{key}: {scalar(item)}\n"
        return out
    out = ""
    for item in value:
        if isinstance(item, dict):
            block = yaml(item, depth + 1)
            out += pad + "- " + block[len(pad) + 2:]
        else:
            out += f"{pad}- {scalar(item)}\n"
    return out


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False)


def command(*words, build=None, env=None, timeout=60, **options):
    """Runs `leat words...` to its end: a CompletedProcess with text output."""
    binary = (build or places.BUILD) / "leat"
    return subprocess.run([str(binary), *map(str, words)], text=True, capture_output=True, timeout=timeout,
                          env=dict(os.environ, **(env or {})), cwd="/", stdin=subprocess.DEVNULL, **options)


class Leat:
    """One daemon with a folder of its own: config.yaml, state/, out/ (the file sink), stderr."""

    def __init__(self, dsn=None, slot="leat", publication="leat", name="p", *, source=None, sink=None, sinks=None,
                 pipelines=None, top=None, pipeline=None, build=None, folder=None, env=None):
        self.folder = pathlib.Path(folder) if folder else places.new_folder("d")
        self.own_folder = folder is None
        self.build = build or places.BUILD
        self.env = dict(env or {})
        self.out = self.folder / "out"
        self.state = self.folder / "state"
        self.config = self.folder / "config.yaml"
        self.errors = self.folder / "stderr"
        self.slot = slot
        self.process = None
        self.said_before = 0
        self.begun = 0  # seconds since 1970
        if pipelines is None:
            if sinks is None:
                sinks = [{"name": "archive", "plugin": "file", "directory": str(self.out), **(sink or {})}]
            pipelines = [{"name": name,
                          "source": {"plugin": "pgoutput", "dsn": dsn, "slot": slot, "publication": publication,
                                     **(source or {})},
                          "sinks": sinks, **(pipeline or {})}]
        self.tree = {"state_directory": str(self.state), "plugins": str(self.build / "plugins.d"),
                     "memory": "64MiB", "http": {"listen": "none"}, **(top or {}), "pipelines": pipelines}
        self.tree = {key: value for key, value in self.tree.items() if value is not None}
        self.state.mkdir(exist_ok=True)
        self.state.chmod(0o700)
        self.write_config()

    def write_config(self, text=None):
        self.config.write_text(text if text is not None else yaml(self.tree), encoding="utf-8")
        self.config.chmod(0o600)

    # ---- life -----------------------------------------------------------------------------------

    def start(self, env=None, build=None, preload=None):
        assert not self.running(), "leat runs already"
        environment = dict(os.environ, **self.env, **(env or {}))
        environment.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
        environment.setdefault("TSAN_OPTIONS", "halt_on_error=1")
        if preload:
            environment["LD_PRELOAD"] = str(preload)
        self.said_before, self.begun = len(self.stderr()), time.time()
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", str((build or self.build) / "leat"), "run", "-c",
                 str(self.config)],
                stdout=subprocess.DEVNULL, stderr=errors, stdin=subprocess.DEVNULL, cwd="/", env=environment)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def helpers(self):
        """The processes of isolated sinks: begun by their workers.  The control thread's only try the options, and leat does
        not go on without an answer from those."""
        pids = set()
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            if task.parent.name == str(self.process.pid):
                continue
            try:
                pids.update(int(pid) for pid in task.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                pass
        return sorted(pids)

    def must_run(self):
        assert self.running(), f"leat ended with {self.process.returncode}:\n{self.stderr_tail()}"

    def wait_streaming(self, database, slot=None):
        """Its walsender is there: that of a daemon that was killed may not have noticed yet, and is older."""
        def active():
            self.must_run()
            return database.slot_active(slot or self.slot, self.begun)
        return wait.until(active, lambda: f"leat to stream\n{self.stderr_tail()}")

    def wait_said(self):
        """Before its first word it has no signal handlers yet."""
        wait.until(lambda: len(self.stderr()) > self.said_before or not self.running(), "a first word of leat")

    def wait_log(self, pattern, timeout=wait.PATIENCE, since=0):
        """A line of stderr that matches."""
        return wait.until(lambda: re.search(pattern, self.stderr()[since:]),
                          lambda: f"a line like {pattern!r}\n{self.stderr_tail()}", timeout)

    def wait_exit(self, timeout=wait.PATIENCE):
        """Its exit status; negative: the signal."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"leat did not end within {timeout} s\n{self.stderr_tail()}") from None

    def terminate(self, timeout=40):
        self.wait_said()
        self.signal(signal.SIGTERM)
        return self.wait_exit(timeout)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def destroy(self):
        if self.running():
            with contextlib.suppress(OSError):
                self.process.send_signal(signal.SIGCONT)
            self.kill()
        if self.own_folder:
            places.remove(self.folder)

    # ---- what it says ---------------------------------------------------------------------------

    def stderr(self):
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    def stderr_tail(self, lines=40):
        return "\n".join(line[:500] for line in self.stderr().splitlines()[-lines:])

    def last_line(self):
        said = self.stderr().rstrip("\n").splitlines()
        return said[-1] if said else ""

    def memory(self, field="VmHWM"):
        """Bytes, out of /proc: VmHWM is the highest resident set so far, VmRSS the present one."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")

    # ---- what it wrote --------------------------------------------------------------------------

    def lines(self, folder=None):
        return records.lines(folder or self.out)

    def records(self, folder=None):
        return records.load(folder or self.out)

    def wait_line(self, needle, folder=None, timeout=wait.PATIENCE):
        """Follows the segments until a line holds the text; returns all lines."""
        tail, seen = records.Tail(folder or self.out), []
        def found():
            new = tail.more()
            seen.extend(new)
            if any(needle in line for line in new):
                return True
            self.must_run()
            return False
        wait.until(found, lambda: f"a record with {needle!r} in {folder or self.out}; {len(seen)} lines so far\n{self.stderr_tail()}", timeout)
        return seen

    def wait_count(self, count, folder=None, timeout=wait.PATIENCE):
        tail, seen = records.Tail(folder or self.out), []
        def enough():
            seen.extend(tail.more())
            if len(seen) >= count:
                return True
            self.must_run()
            return False
        wait.until(enough, lambda: f"{count} records in {folder or self.out}; {len(seen)} so far\n{self.stderr_tail()}", timeout)
        return seen

    def fence(self, database, folder=None, timeout=wait.PATIENCE):
        """Everything committed before this call is in the files when it returns: a message is sent behind it and
        waited for.  Returns the records without the fences."""
        self.send_fence(database)
        return self.wait_fence(folder, timeout)

    def send_fence(self, database):
        self.fence_mark = f"fence-{os.urandom(6).hex()}"
        database.execute("SELECT pg_logical_emit_message(true, 'leat-test', %s)", (self.fence_mark,))

    def wait_fence(self, folder=None, timeout=wait.PATIENCE):
        self.wait_line(self.fence_mark, folder, timeout)
        return [record for record in self.records(folder) if not is_fence(record)]


def settle(daemon, db, timeout=120):
    """Returns when all that was committed before the call is confirmed, so in every sink."""
    daemon.send_fence(db)
    end = db.lsn()
    def confirmed():
        daemon.must_run()
        return db.caught_up(daemon.slot, end)
    wait.until(confirmed, lambda: f"{end} to be confirmed\n{daemon.stderr_tail()}", timeout)


def start(leat, db, *targets, **options):
    """A daemon that streams into the targets (or sinks as they stand in the configuration)."""
    options.setdefault("pipeline", {"confirm_interval": "50ms"})
    daemon = leat(db.dsn(), sinks=[target if isinstance(target, dict) else target.sink() for target in targets], **options)
    daemon.start()
    daemon.wait_streaming(db)
    return daemon


def is_fence(record):
    return record.op == "message" and record.prefix == "leat-test"
