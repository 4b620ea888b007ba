# SPDX-License-Identifier: Apache-2.0
"""What a PostgreSQL says is hostile: answers of any shape end nothing, and nobody waits for their end."""
import pytest

from leat_harness import wait
from leat_harness.leat import command
from leat_harness.liar import COPY_OUT, READY, Liar, answer

SHAPES = {"nothing": answer(0, 0) + READY, "rows of nothing": answer(0, 1) + READY, "no row": answer(1, 0) + READY,
          "too few columns": answer(1, 1) + READY, "two rows": answer(3, 2) + READY, "a copy": COPY_OUT}


@pytest.fixture
def liar(db, things):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE full_one (a int, b int);"
               "ALTER TABLE full_one REPLICA IDENTITY FULL; CREATE PUBLICATION leat FOR TABLE t, full_one")
    made = Liar(db)
    things.append(made)
    return made


def told(liar):
    assert liar.told.acquire(timeout=wait.PATIENCE), "nobody asked for the lie"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("piece", [b"FROM pg_publication ", b"max_replication_slots", b"rolreplication", b"puballtables",
                                   b"pg_publication_tables t"])
def test_check_survives_an_answer_of_any_shape(liar, leat, shape, piece):
    daemon = leat(liar.dsn + " user=leat")
    liar.lies[piece] = SHAPES[shape]
    done = command("check", "-c", daemon.config)
    told(liar)
    assert done.returncode in (0, 69, 73, 78), (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("shape", [*SHAPES, "no end"])
def test_the_guard_survives_an_answer_of_any_shape_and_the_stream_goes_on(liar, leat, db, shape):
    daemon = leat(liar.dsn + " user=postgres", source={"guard": {"interval": "200ms"}})  # who may list pg_wal
    liar.lies[b"sum(size)"] = SHAPES.get(shape) or answer(1, 1)
    daemon.start()
    told(liar)  # so it streams
    db.execute("INSERT INTO t VALUES (1, 'behind the lie')")
    daemon.wait_line("behind the lie")
    daemon.must_run()


@pytest.mark.parametrize("shape", ["nothing", "rows of nothing", "too few columns", "a copy"])
def test_a_table_that_the_catalogue_lies_about_is_asked_for_again(liar, leat, db, shape):
    daemon = leat(liar.dsn + " user=leat")
    liar.lies[b"pg_partition_tree"] = SHAPES[shape]
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO full_one VALUES (1, 2)")
    told(liar)
    told(liar)  # after a lie it was asked for anew
    daemon.must_run()
    liar.lies.clear()
    daemon.wait_count(1)


@pytest.mark.parametrize("piece", [b"IDENTIFY_SYSTEM", b"pg_replication_slots"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_start_survives_an_answer_of_any_shape(liar, leat, db, piece, shape):
    daemon = leat(liar.dsn + " user=leat")
    liar.lies[piece] = SHAPES[shape]
    daemon.start()
    told(liar)
    told(liar)
    daemon.must_run()
    liar.lies.clear()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'in the end the truth')")
    daemon.wait_line("in the end the truth")


def test_who_waits_for_the_end_of_an_answer_can_be_stopped(liar, leat):
    daemon = leat(liar.dsn + " user=leat")
    liar.lies[b"IDENTIFY_SYSTEM"] = answer(4, 1)
    daemon.start()
    told(liar)
    assert daemon.terminate() == 0
