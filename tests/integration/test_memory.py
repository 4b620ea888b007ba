# SPDX-License-Identifier: Apache-2.0
"""Memory is bounded whatever comes, and a change costs no malloc."""
import contextlib
import mmap
import os
import pathlib
import struct
import subprocess

import pytest

from leat_harness import places, wait

pytestmark = pytest.mark.plain
MiB = 1 << 20


def start(db, leat, **options):
    daemon = leat(db.dsn(), **options).start()
    daemon.wait_streaming(db)
    return daemon


def say(text):
    print(text)


def test_idle_is_small(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat, top={"memory": None})
    db.execute("INSERT INTO t VALUES (1)")
    daemon.fence(db)
    say(f"idle: {daemon.memory('VmRSS') / MiB:.1f} MiB")
    assert daemon.memory("VmRSS") <= 20 * MiB


def test_one_huge_transaction_stays_in_bounds(db, leat):
    rows = int(os.environ.get("LEAT_HUGE_ROWS", "300000"))
    db.execute("CREATE TABLE t (id int PRIMARY KEY, a text, b text, c timestamptz DEFAULT now(), d numeric, e int[]); "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat, top={"memory": "32MiB"})
    db.execute(f"INSERT INTO t SELECT g, md5(g::text), repeat('x', 120), now(), g / 7.0, ARRAY[g, 1] "
               f"FROM generate_series(1, {rows}) g")
    daemon.send_fence(db)
    daemon.wait_line(daemon.fence_mark, timeout=60 + rows / 5000)
    high = daemon.memory()
    say(f"{rows} rows in one transaction: {high / MiB:.1f} MiB at most, of 32 + 32")
    assert high < (32 + 32) * MiB
    lines = daemon.lines()
    assert len(lines) == rows + 1
    assert all(f'"seq":{n},' in line for n, line in enumerate(lines[:-1]))
    assert daemon.terminate() == 0


def test_a_large_row_passes(db, leat):
    """libpq holds a row in its own buffer and hands out a copy: that comes on top of `memory`."""
    size = int(os.environ.get("LEAT_LARGE_ROW_MB", "40")) * 1_000_000
    memory = max(256, 4 * size // MiB)
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL; "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon = start(db, leat, top={"memory": f"{memory}MiB"})
    db.execute(f"INSERT INTO t VALUES (1, repeat('0123456789', {size // 10}))")
    db.execute("INSERT INTO t VALUES (2, 'small')")
    first, second = daemon.fence(db)
    assert len(first.after["v"]) == size and second.after["v"] == "small"
    high = daemon.memory()
    say(f"a row of {size / 1e6:.0f} MB: {high / MiB:.0f} MiB at most with memory {memory} MiB")
    # libpq doubles its buffer, so that it can be twice the row, and copies the row once.
    assert high < (memory + 32) * MiB + 3 * size + size // 2
    assert daemon.terminate() == 0


def test_a_row_that_can_never_fit_stops_the_pipeline(db, leat):
    db.execute("CREATE TABLE public.pictures (id int PRIMARY KEY, v text); "
               "ALTER TABLE pictures ALTER v SET STORAGE EXTERNAL; CREATE PUBLICATION leat FOR TABLE pictures")
    daemon = start(db, leat, top={"memory": "16MiB"})
    db.execute("INSERT INTO pictures VALUES (1, 'small')")
    db.execute("INSERT INTO pictures VALUES (2, repeat('x', 30000000))")
    status = daemon.wait_exit()
    last = daemon.last_line()
    assert status != 0 and "pictures" in last and "memory" in last, last
    assert any(word in last for word in ("30000", "28", "29", "30 ")), last  # its size
    assert "/" in last, last  # its LSN
    # With more memory it goes on where it stopped: nothing is lost.
    daemon.tree["memory"] = "256MiB"
    daemon.write_config()
    daemon.start()
    found = daemon.fence(db)
    assert [(record.key["id"], len(record.after["v"])) for record in found] == [("1", 5), ("2", 30_000_000)]


@pytest.mark.root
def test_a_sink_that_stands_still_holds_everything_back(db, leat, things, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    disk = places.SmallDisk(scratch / "disk", 300 * MiB)
    things.append(disk)
    daemon = start(db, leat, top={"memory": "32MiB"}, sink={"directory": str(disk.path / "archive")})
    db.execute("INSERT INTO t VALUES (0, 'first')")
    daemon.wait_line("first", disk.path / "archive")
    disk.fill()
    confirmed = db.slot("leat")["confirmed_flush_lsn"]
    for part in range(4):
        db.execute(f"INSERT INTO t SELECT g, repeat('x', 300) FROM generate_series({part} * 50000 + 1, "
                   f"({part} + 1) * 50000) g")
    end = db.lsn()
    daemon.wait_log(r"(?i)no space|ENOSPC|full")
    # The walsender has been asked to wait: what it could send, it has sent, and it sends no more.
    sent = "SELECT sent_lsn FROM pg_stat_replication WHERE pid = (SELECT active_pid FROM pg_replication_slots WHERE slot_name = 'leat')"
    seen = []

    def still():
        seen.append(db.execute(sent))
        return len(seen) > 10 and len({str(row) for row in seen[-10:]}) == 1
    wait.until(still, "the stream to stand still", pause=0.1)
    high = daemon.memory()
    say(f"stalled sink: {high / MiB:.1f} MiB at most, of 32 + 32")
    assert high < (32 + 32) * MiB
    assert not db.caught_up("leat", end)
    assert db.slot("leat")["confirmed_flush_lsn"] == confirmed or not db.caught_up("leat", end)
    daemon.must_run()
    disk.drain()
    found = daemon.fence(db, disk.path / "archive")
    assert [int(record.after["id"]) for record in found] == list(range(200001))
    wait.until(lambda: db.caught_up("leat", end), "the slot to move on")
    assert daemon.memory() < (32 + 32) * MiB
    assert daemon.terminate() == 0


CLASSES = ("other", "ours", "libc")
SITES = 4096


class Counts:
    """The file of malloc_count.c."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def read(self):
        numbers = struct.unpack_from("<6Q", self.map, 0)
        return {f"{what} {name}": numbers[3 * w + c] for w, what in enumerate(("malloc", "free"))
                for c, name in enumerate(CLASSES)}

    def sites(self):
        found = {}
        for n in range(SITES):
            address, calls = struct.unpack_from("<2Q", self.map, 48 + 16 * n)
            if address:
                found[address] = calls
        return found


def where(pid, address):
    """The source line of an address in a process."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        low, high = (int(part, 16) for part in fields[0].split("-"))
        if low <= address < high and len(fields) == 6:
            offset = address - low + int(fields[2], 16)
            with contextlib.suppress(OSError):
                done = subprocess.run(["addr2line", "-f", "-p", "-e", fields[5], hex(offset - 1)], capture_output=True,
                                      text=True, check=False)
                return done.stdout.strip() or f"{fields[5]}+{offset:#x}"
    return hex(address)


def test_a_change_costs_no_malloc_of_ours(db, leat, scratch):
    changes = int(os.environ.get("LEAT_MALLOC_CHANGES", "200000"))
    library = scratch / "malloc_count.so"
    places.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("malloc_count.c")])
    db.execute("CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int PRIMARY KEY, a text, b int[], c timestamptz, "
               "d jsonb, e numeric, f mood, g bytea); ALTER TABLE t REPLICA IDENTITY FULL; "
               "CREATE TABLE s (id int PRIMARY KEY, a text, b text[]); CREATE PUBLICATION leat FOR TABLE t, s")
    daemon = leat(db.dsn(), env={"MALLOC_COUNT_FILE": str(scratch / "counts")})
    daemon.start(preload=library)
    daemon.wait_streaming(db)

    def work(first, count):
        """`count` changes in transactions of 1,000: inserts, updates with the whole old row, deletes."""
        for at in range(first, first + count // 4, 250):
            db.execute(f"BEGIN; INSERT INTO t SELECT g, md5(g::text), ARRAY[g, NULL], now(), '{{\"k\": [1, \"v\"]}}', "
                       f"1.50, 'sad', '\\x00ff' FROM generate_series({at}, {at} + 249) g; "
                       f"UPDATE t SET a = 'y' WHERE id >= {at}; "
                       f"INSERT INTO s SELECT g, 'z', ARRAY['q', 'w\"'] FROM generate_series({at}, {at} + 249) g; "
                       f"DELETE FROM t WHERE id >= {at}; COMMIT")
        daemon.send_fence(db)
        daemon.wait_line(daemon.fence_mark, timeout=120)
    work(0, 8000)  # everything is warm: relations, types, buffers
    counts = Counts(scratch / "counts")
    before, sites = counts.read(), counts.sites()
    work(1_000_000, changes)
    after, sites_after = counts.read(), counts.sites()
    grown = {name: after[name] - before[name] for name in after}
    say(f"{changes} changes: {grown}")
    assert before["malloc ours"] > 0, "the counter saw nothing"
    assert grown["malloc other"] > changes * 0.9, "libpq makes a copy of each row: the counter must see that"
    busy = sorted(((calls - sites.get(address, 0), address) for address, calls in sites_after.items()), reverse=True)
    told = "\n".join(f"{calls:9} {where(daemon.process.pid, address)}" for calls, address in busy[:12] if calls)
    for name in ("malloc ours", "free ours", "malloc libc", "free libc"):
        assert grown[name] < changes / 100, f"{name}: {grown[name]} for {changes} changes\n{told}"
    assert daemon.terminate() == 0
