# SPDX-License-Identifier: Apache-2.0
"""What a stream's acknowledgement is worth: the server writes it down and syncs it later, so what it acknowledged can be gone
after its power failed.  `confirm_hold` keeps the confirmation behind for so long, whatever happens to the daemon meanwhile;
what is gone is offered again.  The store is thrown back to a copy of it, which is what a power cut leaves."""
import contextlib
import shutil
import time

import pytest

from leat_harness import wait
from leat_harness.leat import start
from leat_harness.rows import ids, insert

MODES = [("debian", "msg_id"), ("debian", "packed"), ("current", "sequence"), ("current", "atomic")]


@pytest.fixture
def stream(nats_target):
    """Makes a stream that forgets ids at once: they prove nothing here."""
    def make(which, mode, **options):
        made = nats_target(which, mode, **options)
        if mode == "atomic":
            with contextlib.closing(made.server.client()) as client:
                client.api("STREAM.DELETE.LEAT")
                client.create_stream("LEAT", ["cdc.>"], allow_atomic=True, duplicate_window=100 * 10 ** 6)
        made.options["create"] = {"subjects": ["cdc.>"], "duplicate_window": "100ms"}
        return made
    return make


def wait_for(stream, last):
    """The stream has row `last`."""
    def there():
        with contextlib.suppress(OSError, ConnectionError, AssertionError):
            found = ids(stream)
            return found and found[-1] >= last
        return False
    wait.until(there, f"row {last} in the stream")


class Store:
    """A copy of what a server has on its disk, to throw it back to."""

    def __init__(self, server):
        self.server, self.copy = server, server.folder / "copy"
        server.pause()
        shutil.copytree(server.folder / "store", self.copy)
        server.resume()

    def throw_back(self):
        self.server.kill()
        shutil.rmtree(self.server.folder / "store")
        self.copy.rename(self.server.folder / "store")
        self.server.start()


def settle_in(daemon, db, stream, last):
    wait_for(stream, last)
    assert daemon.terminate() == 0
    assert ids(stream) == list(range(1, last + 1))


@pytest.mark.parametrize("which, mode", MODES)
def test_what_a_power_cut_took_is_sent_again(which, mode, table, leat, stream):
    target = stream(which, mode, confirm_hold="10m")
    daemon = start(leat, table, target)
    insert(table, 1, 1000)
    wait_for(target, 1000)
    store = Store(target.server)
    insert(table, 1001, 4000)
    wait_for(target, 4000)
    store.throw_back()
    daemon.wait_log("went backwards|made anew")
    insert(table, 4001, 4100)
    settle_in(daemon, table, target, 4100)


@pytest.mark.parametrize("which, mode, how", [("debian", "msg_id", "kill"), ("current", "sequence", "terminate"),
                                              ("current", "atomic", "kill")])
def test_what_a_power_cut_took_behind_a_restart_is_sent_again(which, mode, how, table, leat, stream):
    """The new process skips what the stream holds: that is no older on the server's disk for it."""
    target = stream(which, mode, confirm_hold="10m")
    daemon = start(leat, table, target)
    insert(table, 1, 1000)
    wait_for(target, 1000)
    store = Store(target.server)
    insert(table, 1001, 4000)
    wait_for(target, 4000)
    end = table.lsn()
    getattr(daemon, how)()
    daemon.start()
    daemon.wait_streaming(table)
    insert(table, 4001, 4010)  # behind which all that is skipped was skipped
    wait_for(target, 4010)
    assert not table.caught_up(daemon.slot, end), "confirmed within the hold"
    store.throw_back()
    insert(table, 4011, 4100)
    settle_in(daemon, table, target, 4100)


@pytest.mark.parametrize("which, mode", MODES[:1] + MODES[3:])
def test_what_a_power_cut_took_while_nobody_looked_is_sent_again(which, mode, table, leat, stream):
    target = stream(which, mode, confirm_hold="10m")
    daemon = start(leat, table, target)
    insert(table, 1, 1000)
    wait_for(target, 1000)
    store = Store(target.server)
    insert(table, 1001, 3000)
    wait_for(target, 3000)
    daemon.kill()
    store.throw_back()
    target.server.wait_ready()
    daemon.start()
    insert(table, 3001, 3100)
    settle_in(daemon, table, target, 3100)


def test_a_restart_does_not_shorten_the_hold(table, leat, stream):
    target = stream("current", "msg_id", confirm_hold="3s")
    daemon = start(leat, table, target)
    for last in range(3000, 30001, 3000):  # once more where a slow machine let the hold pass before the kill
        insert(table, last - 2999, last)
        wait_for(target, last)
        end = table.lsn()
        daemon.kill()
        if not table.caught_up(daemon.slot, end):
            break
        daemon.start()
    began = time.monotonic()
    daemon.start()
    daemon.wait_streaming(table)
    wait.until(lambda: table.caught_up(daemon.slot, end), lambda: f"the hold to pass\n{daemon.stderr_tail()}")
    assert time.monotonic() - began >= 3
    assert daemon.terminate() == 0
    assert ids(target) == list(range(1, last + 1))
