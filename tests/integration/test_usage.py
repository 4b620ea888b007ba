# SPDX-License-Identifier: Apache-2.0
"""Wrong words on the command line and in the file: the exit status, and a last line on stderr that says why."""
import json
import signal
import subprocess

import pytest

from leat_harness import places
from leat_harness.leat import command

pytestmark = pytest.mark.subset


@pytest.mark.parametrize("words, needle", [
    ([], "which command?"), (["runn"], "did you mean run?"), (["help", "nosuch"], 'no command "nosuch"'), (["run"], "-c FILE is missing"),
    (["run", "-c"], "run: -c needs a value"), (["run", "-c", ""], "-c FILE is missing"), (["run", "now"], 'run: unexpected "now"'),
    (["run", "-c", "x", "--offline"], "--offline is not for this command"), (["run", "-x"], 'unrecognized option "-x"'),
    (["check", "--ofline"], "did you mean --offline?"), (["check", "--config"], "--config needs a value"),
    (["check", "--json=yes"], "--json takes no value"), (["check", "--passwd=hunter2"], 'unrecognized option "--passwd"'),
    (["slot", "make", "-c", "x"], "unknown action make"), (["slot", "show", "all", "-c", "x"], 'unexpected "all"'),
    (["setup", "-c", "x", "--json"], "--json is not for this command"), (["doctor", "--nosuch"], "--nosuch"),
    (["status", "--nosuch"], "--nosuch"), (["status", "--socket"], "--socket needs a value"), (["status", "--watch=x"], "0.1 to 86400"),
    (["tail", "--nosuch"], "--nosuch"), (["tail", "--count"], "--count needs a value"), (["tail", "-c", ""], "-c FILE is missing"),
    (["drop", "--nosuch"], "--nosuch"), (["version", "--nosuch"], "--nosuch"), (["plugins", "--nosuch"], "--nosuch"),
    (["plugins", "--mdoc"], "--mdoc needs a value"), (["plugins", "file", "nats"], 'unexpected "nats"'),
    (["plugins", "--sample", "file"], 'unexpected "file"'), (["plugins", "--schema", "file"], 'unexpected "file"')])
def test_a_wrong_command_line_is_64_and_the_last_line_says_why(words, needle):
    done = command(*words)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 64 and not done.stdout and "Usage: leat" in done.stderr, done
    assert last.startswith("leat: ") and needle in last and "hunter2" not in done.stderr, done


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["version"], ["plugins"], ["plugins", "--sample"], ["plugins", "--json"]])
def test_what_cannot_be_printed_is_no_success(words):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([places.BUILD / "leat", *words], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 74 and "cannot write to the standard output: No space left" in done.stderr.splitlines()[-1], done


def check(daemon, *words):
    return command("check", "--offline", "-c", daemon.config, *words)


def test_one_error_is_one_error_and_the_last_line_says_which(leat):
    daemon = leat("host=/nowhere", slot="A b")
    done = check(daemon)
    assert done.returncode == 78 and done.stdout.splitlines()[-1] == "1 error, 0 warnings", done
    assert done.stderr.startswith("leat: check found 1 error: p/source: slot ") and len(done.stderr.splitlines()) == 1, done
    daemon = leat("nonsense", slot="A b", sink={"directory": ""})
    done = check(daemon)
    assert done.returncode == 78 and done.stdout.splitlines()[-1] == "2 errors, 0 warnings", done
    assert done.stderr.startswith("leat: check found 2 errors; it ends for: p/source: ") and len(done.stderr.splitlines()) == 1, done
    assert "p/archive: directory is empty" in done.stdout, done
    done = command("doctor", "-c", daemon.config)
    assert done.returncode == 78 and done.stderr.startswith("leat: doctor found 2 errors; it ends for: p/source: "), done


def test_errors_of_the_file_are_json_for_who_asks_for_json(leat):
    daemon = leat("host=/nowhere", top={"memori": "1", "memory": "1"})
    plain, done = check(daemon), check(daemon, "--json")
    assert plain.returncode == done.returncode == 78 and not plain.stdout, (plain, done)
    found = json.loads(done.stdout)
    assert [(finding["severity"], finding["instance"]) for finding in found] == [("error", "configuration")] * 2, done
    assert [finding["text"] for finding in found] == plain.stderr.splitlines() == done.stderr.splitlines(), (plain, done)
    gone = command("check", "-c", daemon.folder / "nosuch", "--json")
    assert gone.returncode == 78 and "No such file" in json.loads(gone.stdout)[0]["text"], gone
    other = check(daemon := leat("host=/nowhere"), "--json", "--pipeline", "nosuch")
    assert other.returncode == 64 and json.loads(other.stdout) == [] and "nosuch" in other.stderr.splitlines()[-1], (other, daemon)


def test_a_byte_order_mark_and_dos_lines_are_no_fault(leat):
    daemon = leat("host=/nowhere")
    text = daemon.config.read_text()
    daemon.config.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    done = check(daemon)
    assert done.returncode == 0, done


@pytest.mark.parametrize("dsn, needle", [
    ("sslmode=nope", "invalid sslmode value"), ("port=99999", "invalid port number"), ("port='5432password=hunter2'", "invalid integer value"),
    ("target_session_attrs=foo", "invalid target_session_attrs value"), ("gssencmode=x", "invalid gssencmode value"),
    ("channel_binding=x", "invalid channel_binding value"), ("service=nosuch", "its service is not in the service file"),
    ("host=a,b port=1,2,3", "could not match 3 port numbers to 2 hosts")])
def test_a_parameter_that_no_server_can_mend_ends_a_run(leat, dsn, needle):
    """Else a run would try it for ever, and check would say: start the server."""
    daemon = leat(f"host=/nowhere dbname=x {dsn}")
    done = check(daemon)
    assert done.returncode == 78 and f"p/source: dsn: {needle}" in done.stdout, done
    ended = command("run", "-c", daemon.config)
    assert ended.returncode == 78 and f"p/source: dsn: {needle}" in ended.stderr.splitlines()[-1], ended
    assert "hunter2" not in done.stdout + done.stderr + ended.stderr


def test_such_a_parameter_refuses_a_reload(table, leat):
    daemon = leat(table.dsn(), top={"http": {"listen": "none"}}).start()
    daemon.wait_streaming(table)
    daemon.tree["pipelines"][0]["source"]["dsn"] += " sslmode=nope"
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    daemon.wait_log("reload refused.*invalid sslmode value")
    table.execute("INSERT INTO t VALUES (1, 'a')")
    assert len(daemon.fence(table)) == 1
    assert daemon.terminate() == 0
