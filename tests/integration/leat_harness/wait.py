# SPDX-License-Identifier: Apache-2.0
"""Waiting for an event: the condition is asked for until it holds, or the test fails and says what it saw last."""
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
