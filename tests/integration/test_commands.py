# SPDX-License-Identifier: Apache-2.0
"""check, slot, setup, plugins, version: what they print works, and changes nothing that they do not say."""
import json
import re
import time

import pytest

from leat_harness import places, versions
from leat_harness.fixtures import cluster_of
from leat_harness.leat import command
from leat_harness.postgres import Database


def configured(leat, dsn, **options):
    return leat(dsn, **options)


@pytest.fixture
def shop(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return leat(db.dsn())


@pytest.mark.subset
@pytest.mark.parametrize("words", [[], ["run"], ["check"], ["slot"], ["slot", "create"], ["setup"], ["plugins"], ["version"]])
def test_help_is_everywhere(words):
    done = command(*words, "--help")
    assert done.returncode == 0, done
    assert "leat" in done.stdout and not done.stderr


@pytest.mark.subset
def test_version():
    done = command("version")
    assert done.returncode == 0 and len(done.stdout.strip().splitlines()) == 1
    assert re.search(r"\d+\.\d+\.\d+", done.stdout)
    done = command("version", "--verbose")
    assert done.returncode == 0
    assert "libpq" in done.stdout and "libyaml" in done.stdout and "libmicrohttpd" in done.stdout, done.stdout
    listed = json.loads(command("version", "--verbose", "--json").stdout)
    assert "libyaml" in listed["libraries"] and "libpq" in json.dumps(listed["plugins"]), listed
    assert isinstance(json.loads(command("version", "--json").stdout), dict)


@pytest.mark.subset
def test_plugins():
    done = command("plugins")
    assert done.returncode == 0
    for name in ("pgoutput", "file"):
        assert name in done.stdout
    listed = json.loads(command("plugins", "--json").stdout)
    assert "pgoutput" in json.dumps(listed)
    one = command("plugins", "file")
    assert one.returncode == 0 and "directory" in one.stdout and "compression" in one.stdout
    assert "directory" in json.dumps(json.loads(command("plugins", "file", "--json").stdout))
    none = command("plugins", "nosuch")
    assert none.returncode != 0 and "nosuch" in none.stderr


def test_check_of_a_good_set_up(shop, db):
    command("slot", "create", "-c", shop.config)
    done = command("check", "-c", shop.config)
    assert done.returncode == 0, done
    report = json.loads(command("check", "-c", shop.config, "--json").stdout)
    assert report
    offline = command("check", "--offline", "-c", shop.config)
    assert offline.returncode == 0, offline


def test_check_changes_nothing(shop, db):
    before = sorted(str(path) for path in shop.folder.rglob("*"))
    command("check", "-c", shop.config)
    assert db.slot("leat") is None
    assert sorted(str(path) for path in shop.folder.rglob("*")) == before


def test_check_of_a_server_that_is_not_there(leat):
    daemon = leat(f"host=127.0.0.1 port={places.free_port()} dbname=x user=leat")
    began = time.monotonic()
    done = command("check", "-c", daemon.config)
    assert done.returncode == 69, done
    assert time.monotonic() - began < 25


def test_check_gives_up_after_ten_seconds(leat, things):
    """A server that accepts and says nothing."""
    import socket
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(8)
    things.append(listener)
    daemon = leat(f"host=127.0.0.1 port={listener.getsockname()[1]} dbname=x user=leat")
    began = time.monotonic()
    done = command("check", "-c", daemon.config)
    assert done.returncode == 69, done
    assert time.monotonic() - began < 25


def test_check_names_the_fix_of_a_missing_publication(db, leat):
    daemon = leat(db.dsn(), publication="nosuch")
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert done.returncode == 78, done
    assert "CREATE PUBLICATION" in said and "nosuch" in said, said


def test_check_names_the_fix_of_a_missing_right(db, leat):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t; "
               f"CREATE ROLE weak_{db.name} LOGIN")
    daemon = leat(db.dsn(f"weak_{db.name}"))
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert done.returncode == 77, done
    assert re.search(rf'ALTER ROLE "?weak_{db.name}"? .*REPLICATION', said), said
    db.execute(f"DROP ROLE weak_{db.name}")


def test_check_names_the_fix_of_wal_level(own_cluster, leat):
    pg = own_cluster(settings="wal_level = replica\nmax_wal_senders = 2\n")
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert done.returncode == 78, done
    assert "wal_level" in said and "logical" in said, said


def test_check_and_run_name_an_encoding_that_is_none(own_cluster, leat):
    pg = own_cluster()
    pg.execute("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    db = Database(pg, "bytes")
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0 and "SQL_ASCII" in done.stdout + done.stderr, done
    daemon.start()
    daemon.wait_streaming(db)
    db.execute(r"INSERT INTO t VALUES (1, E'\xc3\xa9')")
    db.execute(r"INSERT INTO t VALUES (2, E'\xe9 secret')")
    assert daemon.wait_exit() == 74
    assert [record.after["v"] for record in daemon.records()] == ["\u00e9"]
    said = daemon.stderr()
    assert "UTF-8" in daemon.last_line() and "0/0 " not in said and "secret" not in said, said


def test_check_tells_of_tables_that_cannot_be_updated(db, leat):
    db.execute('CREATE TABLE "odd table" (v text); CREATE PUBLICATION leat FOR TABLE "odd table"')
    daemon = leat(db.dsn())
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert "odd table" in said and "REPLICA IDENTITY" in said, said


def test_check_tells_of_falsely_null_old_rows(db, leat):
    db.execute("CREATE TABLE m (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); "
               "CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (1000); ALTER TABLE m REPLICA IDENTITY FULL; "
               "CREATE PUBLICATION leat FOR TABLE m WITH (publish_via_partition_root = true)")
    daemon = leat(db.dsn())
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert re.search(r"\bm\b", said) and "FULL" in said, said
    # And the records leave the false old row out.
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO m VALUES (1, 'a'); UPDATE m SET v = 'b'; DELETE FROM m")
    found = daemon.fence(db)
    assert [record.before for record in found] == [None, None, None]
    assert [record.key for record in found] == [{"id": "1"}] * 3


@pytest.mark.parametrize("major", [versions.DEBIAN, "18"])
def test_check_tells_of_column_lists_that_differ(major, things, leat):
    db = cluster_of(major).new_database()
    things.append(db)
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE same (id int PRIMARY KEY, v text); "
               "CREATE TABLE made (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED); "
               "CREATE PUBLICATION one FOR TABLE t, same (id), made; "
               "CREATE PUBLICATION two FOR TABLE t (id), same (id), made (id)")
    daemon = leat(db.dsn(), publication=None, source={"publication": ["one", "two"]})
    done = command("check", "-c", daemon.config)
    said = done.stdout + done.stderr
    assert done.returncode == 78 and "table public.t: the publications send different columns" in said, said
    assert "public.same" not in said
    assert ("public.made" in said) == (major == "15"), said  # which takes a generated column for one that it sends
    db.execute(f"ALTER PUBLICATION two SET TABLE t, same (id), made{'' if major == '15' else ' (id)'}")
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0, done
    # And the server agrees.
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'a'); INSERT INTO same VALUES (1, 'a'); INSERT INTO made VALUES (1)")
    assert [record.after for record in daemon.fence(db)] == [{"id": "1", "v": "a"}, {"id": "1"}, {"id": "1"}]


@pytest.mark.parametrize("major", [versions.DEBIAN, "18"])
def test_check_tells_of_a_generated_key_where_it_is_not_sent(major, things, leat):
    db = cluster_of(major).new_database()
    things.append(db)
    db.execute("CREATE TABLE t (id int, g int GENERATED ALWAYS AS (id * 2) STORED PRIMARY KEY); "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn())
    done = command("check", "-c", daemon.config)
    assert done.returncode == 0 and "table public.t: its key has a generated column" in done.stdout, done
    if major == "18":
        db.execute("ALTER PUBLICATION leat SET (publish_generated_columns = stored)")
        done = command("check", "-c", daemon.config)
        assert done.returncode == 0 and "generated" not in done.stdout, done


def test_check_tells_of_a_directory_that_cannot_be(db, leat, scratch):
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    (scratch / "file").write_text("x")
    daemon = leat(db.dsn(), sink={"directory": str(scratch / "file" / "out")})
    done = command("check", "-c", daemon.config)
    assert done.returncode in (73, 74, 77, 78), done
    assert str(scratch / "file") in done.stdout + done.stderr


def test_slot_create_show_drop(shop, db):
    done = command("slot", "show", "-c", shop.config)
    assert done.returncode != 0 or "leat" in done.stdout
    done = command("slot", "create", "-c", shop.config)
    assert done.returncode == 0, done
    assert db.slot("leat")["plugin"] == "pgoutput"
    done = command("slot", "create", "-c", shop.config)
    assert done.returncode == 73 and "exists" in done.stderr, done
    done = command("slot", "show", "-c", shop.config)
    assert done.returncode == 0 and "leat" in done.stdout
    assert "leat" in json.dumps(json.loads(command("slot", "show", "-c", shop.config, "--json").stdout))
    done = command("slot", "show", "-c", shop.config, "--pipeline", "nosuch")
    assert done.returncode == 64 or done.returncode == 78, done
    done = command("slot", "drop", "-c", shop.config)
    assert done.returncode == 0, done
    assert db.slot("leat") is None


def test_a_slot_made_beforehand_is_used_from_its_beginning(shop, db):
    assert command("slot", "create", "-c", shop.config).returncode == 0
    db.execute("INSERT INTO t VALUES (1, 'before leat ran')")
    shop.start()
    assert [record.key["id"] for record in shop.fence(db)] == ["1"]
    assert shop.terminate() == 0


def test_setup_prints_sql_that_works(own_cluster, leat):
    """A DBA runs it as it stands, in psql; then leat runs with the role that it made."""
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    daemon = leat(db.dsn('"odd leat"').replace('"odd leat"', "odd_leat"), publication="shop", slot="shop")
    done = command("setup", "-c", daemon.config)
    assert done.returncode == 0, done
    script = daemon.folder / "setup.sql"
    script.write_text(done.stdout)
    script.chmod(0o644)
    said = places.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", db.dsn("postgres"), "-f", script])
    assert "ERROR" not in said
    if db.scalar("SELECT count(*) FROM pg_publication WHERE pubname = 'shop'") and not db.scalar(
            "SELECT puballtables FROM pg_publication WHERE pubname = 'shop'"):
        db.execute("ALTER PUBLICATION shop ADD TABLE t")
    check = command("check", "-c", daemon.config)
    assert check.returncode == 0, f"{check}\n{done.stdout}"
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'x')")
    assert len(daemon.fence(db)) == 1
    assert daemon.terminate() == 0


def test_no_secret_is_ever_printed(own_cluster, leat):
    pg = own_cluster()
    db = pg.new_database()
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    daemon = leat(db.dsn() + " password=hunter2hunter2", top={"log": {"level": "debug", "format": "json"}})
    said = ""
    for verb in (["check"], ["setup"], ["slot", "create"], ["slot", "show"]):
        done = command(*verb, "-c", daemon.config)
        said += done.stdout + done.stderr
    daemon.start()
    daemon.wait_streaming(db)
    db.execute("INSERT INTO t VALUES (1, 'rowsecretrow')")
    daemon.fence(db)
    pg.stop()
    daemon.wait_log(r"(?i)no such file|refused|connect|lost|closed")
    daemon.terminate()
    said += daemon.stderr()
    assert "hunter2" not in said and "rowsecret" not in said
    for line in daemon.stderr().splitlines():
        json.loads(line)


def test_check_foretells_what_a_run_does_with_folders(shop, db):
    """A folder whose last part is missing is made by the run; deeper ones are not, and check says so first."""
    tree = dict(shop.tree)
    shop.tree = dict(tree, state_directory=f"{shop.folder}/new")
    shop.write_config()
    done = command("check", "-c", shop.config)
    assert done.returncode == 0 and "will be made by the first run" in done.stdout, done
    shop.start()
    shop.wait_streaming(db)
    assert shop.terminate() == 0
    (shop.folder / "new").chmod(0o777)
    done = command("check", "-c", shop.config)
    assert done.returncode == 78 and "others may write there" in done.stdout and "chmod o-w" in done.stdout, done
    done = command("run", "-c", shop.config)
    assert done.returncode == 78 and "others may write there" in done.stderr, done
    shop.tree = dict(tree, state_directory=f"{shop.folder}/no/such")
    shop.write_config()
    done = command("check", "-c", shop.config)
    assert done.returncode == 73 and "install -d" in done.stdout, done
    done = command("run", "-c", shop.config)
    assert done.returncode == 73 and "make the folder" in done.stderr, done
    shop.tree = dict(tree, http={"listen": f"unix:{shop.folder}/no/such/s"})
    shop.write_config()
    done = command("check", "-c", shop.config)
    assert done.returncode == 0 and "the folder of the socket" in done.stdout, done
    assert command("run", "-c", shop.config).returncode == 73


@pytest.mark.subset
def test_an_unknown_command_is_named_with_its_neighbour():
    done = command("stauts")
    assert done.returncode == 64 and "did you mean status?" in done.stderr.splitlines()[-1], done
    assert command("help", "tail").stdout == command("tail", "--help").stdout
