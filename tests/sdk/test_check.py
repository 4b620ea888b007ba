# SPDX-License-Identifier: Apache-2.0
"""leat-plugin-check with the project's own plugins: each keeps the contract, against its real server where it needs one."""
import contextlib
import json
import re
import shutil
import subprocess

import pytest

from leat_harness import places
from leat_harness.leat import yaml

CHECKER = places.BUILD / "leat-plugin-check"
SINK_TRIALS = {"descriptor", "life", "half_made", "deliver", "one_at_a_time", "killed", "after_kill", "pressure",
               "stop_in_flight", "fault", "waiting", "idle", "newer_host", "given_back", "extras"}
SOURCE_TRIALS = {"descriptor", "life", "half_made", "read", "pressure", "resume", "waiting", "newer_host",
                 "stop_in_flight", "given_back", "extras"}


def check(library, options, folder, trials=SINK_TRIALS, may_skip=()):
    """Every trial is made, but for those that may be skipped, and none finds anything."""
    path = folder / "options.yaml"
    path.write_text(yaml(options) if options else "{}\n", encoding="utf-8")
    # The clauses about time allow a fifth of the time-out, and servers wait for a loaded machine, too.
    done = subprocess.run([str(CHECKER), "--json", "--timeout", "30", "--config", str(path), str(library)], capture_output=True,
                          text=True, timeout=600, check=False)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    made = {trial["trial"]: trial for trial in answer["trials"]}
    found = [f"{name}: {finding['clause']} {finding['found']}" for name, trial in made.items() for finding in trial["findings"]]
    assert not found, "\n".join(found)
    skipped = {name: trial["skipped"] for name, trial in made.items() if "skipped" in trial}
    assert set(skipped) <= set(may_skip), skipped
    assert set(made) == trials
    assert done.returncode == 0
    return skipped


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"format": "msgpack"}, {"route": "{schema}/{table}"}],
                         ids=["plain", "zstd", "msgpack", "routed"])
def test_file_keeps_the_contract(scratch, options):
    check(places.BUILD / "plugins" / "file.so", {"directory": "${LEAT_CHECK_DIR}/out", **options}, scratch)


@pytest.mark.parametrize("which,mode", [("debian", "msg_id"), ("debian", "sequence"), ("debian", "packed"), ("current", "atomic")])
def test_nats_keeps_the_contract(nats_target, scratch, which, mode):
    target = nats_target(which, mode)
    options = {key: value for key, value in target.options.items() if key not in ("name", "plugin")}
    check(places.BUILD / "plugins" / "nats.so", options, scratch)


@contextlib.contextmanager
def kafka_mock():
    with subprocess.Popen([str(places.BUILD / "tests" / "kafka_mock"), "t:3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def test_kafka_keeps_the_contract(scratch):
    with kafka_mock() as brokers:
        check(places.BUILD / "plugins" / "kafka.so", {"brokers": brokers, "route": "t", "scan": {"settle": "100ms"}}, scratch)


def test_fakes_keep_the_contract(scratch):
    plugins = places.BUILD / "tests" / "plugins"
    check(plugins / "fake_sink.so", {"log": "${LEAT_CHECK_DIR}/log"}, scratch)
    check(plugins / "fake_source.so", {"transactions": 60, "rows": 7, "end": False}, scratch, SOURCE_TRIALS)


def test_pgoutput_keeps_the_contract(db, scratch):
    db.execute("CREATE TABLE checked (id int PRIMARY KEY, note text, n numeric, b boolean, at timestamptz, j jsonb, a int[])")
    db.execute("CREATE PUBLICATION leat FOR TABLE checked")
    db.execute("SELECT pg_create_logical_replication_slot('check_slot', 'pgoutput')")
    for i in range(60):
        db.execute(f"INSERT INTO checked SELECT i, repeat('x', i), i / 7.0, i % 2 = 0, now(), '{{\"a\": [1]}}', ARRAY[i] "
                   f"FROM generate_series({10 * i}, {10 * i + 9}) i")
    db.execute("UPDATE checked SET note = 'ä\"' || id WHERE id < 20")
    db.execute("DELETE FROM checked WHERE id > 590")
    check(places.BUILD / "plugins" / "pgoutput.so", {"dsn": db.dsn(), "slot": "check_slot", "publication": "leat"}, scratch,
          SOURCE_TRIALS)


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_sink_in_cpp_keeps_the_contract(scratch, compiler):
    """The header is for C++17, too: warnings are errors, nothing is missing, and the page says how the constant is written."""
    if not shutil.which(compiler):
        pytest.skip(f"needs {compiler}")
    source, library = places.ROOT / "tests" / "sdk" / "sink.cc", scratch / "mine.so"
    subprocess.run([compiler, "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-O2", "-shared", "-fPIC",
                    "-fvisibility=hidden", "-Wl,-z,defs", f"-I{places.ROOT}/core/include", "-o", str(library), str(source)], check=True)
    check(library, {"path": "${LEAT_CHECK_DIR}/records.txt"}, scratch)
    page = (places.ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    [block] = re.findall(r"^```cpp\n(.*?)^```$", page, flags=re.M | re.S)
    assert block in source.read_text(encoding="utf-8")


def test_what_cannot_be_tried_says_what_it_needs(scratch):
    done = subprocess.run([str(CHECKER), str(places.BUILD / "plugins" / "file.so")], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and '"directory"' in done.stderr and "--config" in done.stderr
    assert subprocess.run([str(CHECKER)], capture_output=True, check=False).returncode == 64
    other = scratch / "other.so"
    other.write_bytes((places.BUILD / "plugins" / "file.so").read_bytes())
    other.chmod(0o666)
    done = subprocess.run([str(CHECKER), str(other)], capture_output=True, text=True, check=False)
    assert done.returncode == 77 and "leat would not load it" in done.stderr


def test_docs_have_every_clause():
    """docs/plugins.md, the checker's header and its sentences say the same."""
    source = (places.ROOT / "tools" / "plugin-check" / "clauses.c").read_text(encoding="utf-8")
    header = (places.ROOT / "tools" / "plugin-check" / "clauses.h").read_text(encoding="utf-8")
    numbers = {name: int(number) for name, number in re.findall(r"(C_\w+) = (\d+)", header)}
    said = {numbers[name]: "".join(re.findall(r'"([^"]*)"', body))
            for name, body in re.findall(r'\[(C_\w+)\] =\s*((?:"[^"]*"\s*)+),', source)}
    page = (places.ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
    documented = {int(number): text for number, text in re.findall(r"^\| C-(\d+) \| (.*) \|$", page, flags=re.M)}
    assert set(said) == set(numbers.values())
    assert documented == said
