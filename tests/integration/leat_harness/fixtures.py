# SPDX-License-Identifier: Apache-2.0
"""The fixtures of every folder of tests.  A test gets a database of its own in a cluster that the session shares, or a cluster of its own when it
kills it.  On a failure the daemon's and the server's last words are part of the report."""
import functools
import os

import pytest

from . import kafka, nats, places, versions
from .leat import Leat
from .postgres import Postgres


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root (a small tmpfs)")
    config.addinivalue_line("markers", "plain: meaningless under a sanitizer (memory, counts of malloc, speed)")
    config.addinivalue_line("markers", "subset: quick and broad, run under the asan build as well")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and not places.is_root():
            item.add_marker(pytest.mark.skip(reason="needs root, to mount a small tmpfs"))
        if item.get_closest_marker("plain") and places.SANITIZED:
            item.add_marker(pytest.mark.skip(reason="says nothing under a sanitizer"))


def pytest_sessionstart(session):
    if session.config.option.collectonly:
        return
    binary = places.BUILD / "leat"
    if not os.access(binary, os.X_OK):
        pytest.exit(f"{binary} is not there: run scripts/build {places.BUILD.name} first", returncode=2)


def or_skip(make, *args, **options):
    """What is made, where it can be had here; the test is skipped where it cannot."""
    try:
        return make(*args, **options)
    except places.Unavailable as reason:
        pytest.skip(str(reason))


_clusters = {}


def cluster_of(major):
    if major not in _clusters:
        _clusters[major] = or_skip(Postgres, major)
    return _clusters[major]


def pytest_unconfigure():
    for cluster in _clusters.values():
        cluster.destroy()
    _clusters.clear()


@pytest.fixture
def things(request):
    """Whatever a test makes and something has to end: destroyed in reverse order, told of on failure."""
    made = []
    request.node.things = made
    yield made
    for thing in reversed(made):
        for method in ("destroy", "drop", "close"):
            if hasattr(thing, method):
                getattr(thing, method)()
                break


@pytest.fixture
def cluster():
    """The shared cluster.  A test neither stops it nor changes its settings."""
    return cluster_of(versions.DEBIAN)


@pytest.fixture
def db(cluster, things):
    database = cluster.new_database()
    things.append(database)
    return database


@pytest.fixture
def table(db):
    """The database with a table of numbered rows in it, and its publication: see rows.py."""
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v text); CREATE PUBLICATION leat FOR TABLE t")
    return db


@pytest.fixture
def own(things):
    """Makes something for this test alone, as own(nats.Server, "current")."""
    def make(kind, *args, **options):
        made = or_skip(kind, *args, **options)
        things.append(made)
        return made
    return make


@pytest.fixture
def own_cluster(own):
    """Makes a cluster for this test alone."""
    return functools.partial(own, Postgres)


@pytest.fixture
def leat(own):
    """Makes a daemon (not started yet)."""
    return functools.partial(own, Leat)


@pytest.fixture
def nats_target(own):
    """Makes a server with its stream (see nats.Target)."""
    return functools.partial(own, nats.Target)


@pytest.fixture(scope="session")
def shared_broker():
    """A Kafka broker that the session shares; a test has topics of its own.  It makes none by itself: librdkafka's
    producer would have one that was deleted made anew.  Whoever stops it starts it again."""
    made = or_skip(kafka.Server, extra="auto.create.topics.enable=false\nlog.cleaner.backoff.ms=200\n")
    made.start()
    yield made
    made.destroy()


@pytest.fixture
def scratch(things):
    class Folder:
        def __init__(self):
            self.path = places.new_folder("t")

        def destroy(self):
            places.remove(self.path)
    folder = Folder()
    things.append(folder)
    return folder.path


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    clusters = []
    for thing in getattr(item, "things", []):
        if isinstance(thing, Leat):
            report.sections.append((f"leat {thing.folder}: configuration", thing.config.read_text()))
            report.sections.append((f"leat {thing.folder}: stderr", thing.stderr_tail(60)))
        cluster = thing if isinstance(thing, Postgres) else getattr(thing, "postgres", None)
        if cluster and cluster not in clusters:
            clusters.append(cluster)
    for cluster in clusters:
        report.sections.append((f"PostgreSQL {cluster.major} log", cluster.log_tail(25)))
