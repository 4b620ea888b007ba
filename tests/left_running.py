#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""left_running.py RUN: what has LEAT_TEST_RUN=RUN in its environment and is there after ten seconds is named and ended, so that it
disturbs no later run.  Succeeds always: what a test leaves behind is told, not judged."""
import os
import pathlib
import signal
import sys
import time


def left(mark):
    for process in pathlib.Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
            except OSError:  # it has ended, or is somebody else's
                pass


def main(run):
    mark, end = f"LEAT_TEST_RUN={run}".encode(), time.monotonic() + 10
    while (found := list(left(mark))) and time.monotonic() < end:
        time.sleep(0.1)
    for pid, command in found:
        print(f"left running, and ended: {pid} {command}")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


if __name__ == "__main__":
    main(sys.argv[1])
