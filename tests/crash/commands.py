# SPDX-License-Identifier: Apache-2.0
"""Commands and reloads as faults: what an operator does to a daemon that works, at any moment of its work."""
import json
import signal

from leat_harness import wait
from leat_harness.admin import Admin


class Commands:
    """Beside a Storm: it has daemon, folder, random and some_moment."""

    def command(self, path, granted=(200, 202)):
        """The daemon may still be on its way up, or about another command: what is asked comes in the end."""
        def asked():
            self.daemon.must_run()
            try:
                code, text = Admin(self.folder / "s").post(path)
            except OSError:
                return None
            if code == 409 and "under way" in text or code == 503:
                return None
            assert code in granted, f"POST {path}: {code} {text}\n{self.daemon.stderr_tail()}"
            return json.loads(text)
        return wait.until(asked, lambda: f"an answer to {path}\n{self.daemon.stderr_tail()}", 60)

    def change_sink(self):
        sink = self.daemon.tree["pipelines"][0]["sinks"][0]
        sink["stall_warning"] = f"{self.random.randint(60, 600)}s"
        self.daemon.write_config()

    def change_source(self):
        pipeline = self.daemon.tree["pipelines"][0]
        pipeline["batch"] = {"max_delay": f"{self.random.randint(1, 20)}ms", "size": f"{self.random.choice([64, 256])}KiB"}
        self.daemon.write_config()

    def change(self):
        self.random.choice([self.change_sink, self.change_source])()

    # ---- what can happen ------------------------------------------------------------------------

    def fault_reload_sink(self):
        for _ in range(self.random.randint(1, 4)):
            self.change_sink()
            self.command("/reload")
            self.some_moment(0.2)

    def fault_reload_source(self):
        self.change_source()
        self.command("/reload")

    def fault_reload_by_signals(self):
        self.daemon.wait_said()
        for _ in range(50):
            self.change()
            self.daemon.signal(self.random.choice([signal.SIGHUP, signal.SIGHUP, signal.SIGUSR1]))
            self.some_moment(0.02)

    def fault_reload_and_kill(self):
        self.daemon.wait_said()
        self.change()
        self.daemon.signal(signal.SIGHUP)
        self.some_moment(0.03)
        self.daemon.kill()
        self.daemon.start()

    def fault_reload_and_terminate(self):
        self.daemon.wait_said()
        self.change()
        self.daemon.signal(signal.SIGHUP)
        self.some_moment(0.03)
        self.fault_terminate_leat()

    def fault_pause(self):
        what = self.random.choice(["", f"/sinks/{self.daemon.tree['pipelines'][0]['sinks'][0]['name']}"])
        self.command(f"/pipelines/p{what}/pause")
        self.some_moment(1.0)
        if self.random.random() < 0.3:
            self.daemon.kill()
            self.daemon.start()
        self.command(f"/pipelines/p{what}/resume")

    def fault_drain(self):
        self.command("/pipelines/p/drain")
        self.some_moment()
        self.command("/pipelines/p/resume")

    def fault_second_sink(self):
        """One that comes, is dropped or not, and goes again: the first one never notices."""
        sinks = self.daemon.tree["pipelines"][0]["sinks"]
        sinks.append({"name": "second", "plugin": "file", "directory": str(self.folder / "second")})
        self.daemon.write_config()
        self.command("/reload")
        self.some_moment(1.0)
        dropped = self.random.random() < 0.5
        if dropped:
            self.command("/pipelines/p/sinks/second/drop")
            self.some_moment()
        if dropped and self.random.random() < 0.5:
            self.command("/pipelines/p/sinks/second/resume?accept_gap=true")
        del sinks[1:]
        self.daemon.write_config()
        self.command("/reload?removed=drop")
