# SPDX-License-Identifier: Apache-2.0
"""Waiting for an event: the condition is asked for until it holds, or the test fails and says what it saw last."""
import os
import pathlib
import signal
import time

PATIENCE = 60.0  # seconds; long, since a loaded machine is slow, and met at once on a good day


def until(condition, what, timeout=PATIENCE, pause=0.01):
    """The first true value of condition(); AssertionError with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s for {what() if callable(what) else what}; last: {value!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def states(pid):
    """Of the threads of a process, as proc(5) has them; "gone" for one that has just ended."""
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            yield "gone"


def freeze(pid):
    """Stops a process.  A signal is only a wish: until each thread has met it, one on another processor may still answer."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: set(states(pid)) <= {"T", "Z", "gone"}, f"process {pid} to stand still")
