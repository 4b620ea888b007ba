# SPDX-License-Identifier: Apache-2.0
"""Secrets are planted in every place that may hold one, and marks in rows; then everything that leat ever says is searched
for them: the log at its most talkative, the endpoint, the page, every command, every refusal, the names of files and threads."""
import pathlib
import re

import pytest

from leat_harness import nats, places, wait
from leat_harness.admin import Admin
from leat_harness.browser import Browser, program
from leat_harness.leat import command

ROW = "r0wmark"  # with a number behind it, in every kind of value
SECRETS = {name: f"s3cr3t-{name}-Zq7" for name in ("dsnenv", "natsfile", "saslenv", "keyfile", "uripass", "urlpass")}


def must_not_hold(what, text):
    for secret in SECRETS.values():
        assert secret not in text, f"{what} holds the secret {secret}:\n{around(text, secret)}"
    assert ROW not in text.lower(), f"{what} holds a value of a row:\n{around(text.lower(), ROW)}"


def around(text, word):
    at = text.index(word)
    return text[max(0, at - 300):at + 300]


@pytest.fixture
def bus(own):
    server = own(nats.Server, "debian", f'authorization {{ token: "{SECRETS["natsfile"]}" }}')
    server.login = {"auth_token": SECRETS["natsfile"]}
    return server.wait_ready()


def planted(daemon, url):
    """A configuration with a secret of every kind."""
    (daemon.folder / "nats.token").write_text(SECRETS["natsfile"] + "\n")
    (daemon.folder / "key.password").write_text(SECRETS["keyfile"] + "\n")
    for name in ("nats.token", "key.password"):
        (daemon.folder / name).chmod(0o600)
    daemon.env = {"LEAT_DSN_SECRET": SECRETS["dsnenv"], "LEAT_SASL_SECRET": SECRETS["saslenv"]}
    daemon.tree["log"] = {**daemon.tree.get("log", {}), "level": "debug", "metrics": "1s"}
    daemon.tree["http"] = {"listen": [f"unix:{daemon.folder}/a.sock", f"127.0.0.1:{daemon.tcp}"]}
    daemon.tree = {"shutdown_timeout": "1s", **daemon.tree}
    source = daemon.tree["pipelines"][0]["source"]
    source["dsn"] += " password=${LEAT_DSN_SECRET}"
    archive = daemon.tree["pipelines"][0]["sinks"][0]
    daemon.tree["pipelines"][0]["sinks"] = [
        archive,
        {"name": "bus", "plugin": "nats", "url": url, "token": "${file:nats.token}", "stream": "LEAT",
         "create_stream": True, "create": {"subjects": ["cdc.>"]}, "confirm_hold": "0s",
         "route": "cdc.{schema}.{table}.{op}", "on_reject": "dead_letter", "dead_letter": str(daemon.folder / "dead")},
        {"name": "log", "plugin": "kafka", "brokers": f"127.0.0.1:{places.free_port()}", "route": "t",
         "sasl": {"mechanism": "PLAIN", "username": "leat", "password": "${LEAT_SASL_SECRET}"},
         "tls": {"key_password": "${file:key.password}"}, "properties": {"debug": "security,broker,conf"}}]
    (daemon.folder / "dead").mkdir()
    daemon.write_config()


@pytest.mark.parametrize("form", ["text", "json"])
def test_nothing_that_leat_says_holds_a_secret_or_a_row(form, db, leat, bus, things):
    daemon = leat(db.dsn(), top={"log": {"format": form}})
    daemon.tcp = places.free_port()
    planted(daemon, bus.url)
    db.execute("CREATE TABLE t (id text PRIMARY KEY, v text, n numeric, j jsonb, b bytea); ALTER TABLE t REPLICA IDENTITY FULL; "
               "CREATE PUBLICATION leat FOR TABLE t")
    daemon.start()
    daemon.wait_streaming(db)
    db.execute(f"INSERT INTO t SELECT '{ROW}-' || g, '{ROW}', g, '{{\"{ROW}\":1}}', '{ROW}' FROM generate_series(1, 50) g; "
               f"UPDATE t SET v = '{ROW}2'; DELETE FROM t WHERE n < 10; "
               f"SELECT pg_logical_emit_message(true, 'note', '{ROW}3')")
    db.execute(f"INSERT INTO t (id, v) VALUES ('{ROW}-big', repeat('{ROW}', 400000))")  # more than the server takes
    daemon.wait_line(f"{ROW}-big")
    admin = Admin(daemon.folder / "a.sock")
    wait.until(lambda: admin.metric("leat_sink_rejects_total", "sink=bus") == 1 == admin.metric("leat_sink_dead_letters_total", "sink=bus"), lambda: f"a dead letter\n{daemon.stderr_tail()}")
    assert any(ROW.encode() in path.read_bytes() for path in (daemon.folder / "dead").rglob("*") if path.is_file())
    wait.until(lambda: admin.pipeline()["sinks"][2]["last_error"] or re.search("refused", daemon.stderr()), "the dead broker")
    for url in ("/", "/livez", "/readyz", "/status", "/status.txt", "/metrics", "/nothing"):
        must_not_hold(url, admin.ask(url)[1])
    if program():
        browser = Browser()
        things.append(browser)
        browser.open(f"http://127.0.0.1:{daemon.tcp}/")
        browser.until("document.body.innerText.includes('bus')")
        browser.press("e")
        must_not_hold("the page", browser.run("document.documentElement.outerHTML"))
    for words in (["check"] if form == "text" else ["check", "--json"], ["check", "--offline"], ["status"], ["status", "--json"], ["slot", "show"],
                  ["setup"]):
        done = command(*words, "-c", daemon.config, build=daemon.build, env=daemon.env)
        assert done.stdout + done.stderr, words
        must_not_hold(" ".join(words), done.stdout + done.stderr)
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}")
    names = (tasks / "cmdline").read_text() + "".join((task / "comm").read_text() for task in (tasks / "task").iterdir())
    names += "\n".join(str(path) for folder in (daemon.folder, pathlib.Path(daemon.state)) for path in folder.rglob("*"))
    must_not_hold("the name of a thread, a core file or a file", names)
    for path in daemon.state.rglob("*"):
        if path.is_file():
            must_not_hold(str(path), path.read_text(errors="replace"))
    # Every server goes away, the daemon is told to stop: what it says of that is searched as well.
    bus.kill()
    daemon.wait_log("sink is down|closed|refused")
    daemon.signal(15)
    daemon.wait_exit(60)
    said = daemon.stderr()
    assert len(said.splitlines()) > 20 and "figures" in said and "dead letter" in said
    must_not_hold("the log", said)


def without(tree, *path, value):
    """A copy of the configuration with something else in one place."""
    import copy
    changed = copy.deepcopy(tree)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


S = SECRETS
REFUSALS = {
    "a DSN with an unknown word": (("pipelines", 0, "source", "dsn"), f"host=x password={S['dsnenv']} bogus=1"),
    "a DSN that ends in a quote": (("pipelines", 0, "source", "dsn"), f"host=x password='{S['dsnenv']}"),
    "a DSN without a sign": (("pipelines", 0, "source", "dsn"), f"host=x password={S['dsnenv']} x {S['dsnenv']}"),
    "an address that is not closed": (("pipelines", 0, "source", "dsn"), f"postgresql://u:{S['uripass']}@[::1/db"),
    "an address with a wrong port": (("pipelines", 0, "source", "dsn"), f"postgresql://u:{S['uripass']}@h:99999999/db"),
    "an address with a wrong escape": (("pipelines", 0, "source", "dsn"), f"postgresql://u:{S['uripass']}%zz@h/db"),
    "an address with a wrong option": (("pipelines", 0, "source", "dsn"), f"postgresql://u@h/db?passwort={S['uripass']}"),
    "a DSN that is a list": (("pipelines", 0, "source", "dsn"), [f"password={S['dsnenv']}"]),
    "a token that is a mapping": (("pipelines", 0, "sinks", 1, "token"), {"value": S["natsfile"]}),
    "a token and a user": (("pipelines", 0, "sinks", 1, "user"), "somebody"),
    "an address of a broker with a password": (("pipelines", 0, "sinks", 1, "url"), f"nats://u:{S['urlpass']}@h:99999999"),
    "an address of a broker that is none": (("pipelines", 0, "sinks", 1, "url"), f"nats//u:{S['urlpass']}@h"),
    "a password of the key that is a list": (("pipelines", 0, "sinks", 2, "tls", "key_password"), [S["keyfile"]]),
    "a missing variable": (("pipelines", 0, "source", "dsn"), f"password={S['dsnenv']} host=${{LEAT_NOT_SET}}"),
    "a missing file": (("pipelines", 0, "sinks", 1, "token"), "${file:nothing.there}" + S["natsfile"]),
    "an unclosed reference": (("pipelines", 0, "sinks", 1, "token"), S["natsfile"] + "${file:"),
    "a misspelt neighbour": (("pipelines", 0, "sinks", 2, "sasl", "pasword"), "x"),
    "a property that is a password": (("pipelines", 0, "sinks", 2, "properties"), {"sasl.password": S["saslenv"]}),
    "a property that is none": (("pipelines", 0, "sinks", 2, "properties"), {"no.such.property": S["saslenv"]}),
    "a wrong level": (("log", "level"), "loud"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_holds_no_secret(name, db, leat):
    path, value = REFUSALS[name]
    daemon = leat(db.dsn())
    daemon.tcp = places.free_port()
    planted(daemon, f"nats://127.0.0.1:{places.free_port()}")
    db.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION leat FOR TABLE t")
    daemon.tree = without(daemon.tree, *path, value=value)
    if path[:4] != ("pipelines", 0, "sinks", 2):
        del daemon.tree["pipelines"][0]["sinks"][2]  # a broker that is not there takes check all its time
    daemon.write_config()
    refused = 0
    for words in (["check", "--offline"], ["check", "--offline", "--json"], ["slot", "show"], ["setup"], ["check"]):
        if words == ["check"] and refused > 3:
            break  # nothing was asked: it would say the same
        done = command(*words, "-c", daemon.config, build=daemon.build, env=daemon.env)
        refused += done.returncode != 0
        must_not_hold(" ".join(words), done.stdout + done.stderr)
    daemon.start()
    daemon.wait_said()
    wait.until(lambda: not daemon.running() or "streaming" in daemon.stderr() or re.search("warn|error", daemon.stderr()),
               lambda: f"a word\n{daemon.stderr_tail()}")
    refused += not daemon.running() or bool(re.search("warn|error", daemon.stderr()))
    daemon.kill()
    must_not_hold("the log", daemon.stderr())
    assert refused, "nothing is refused here: the case proves nothing"
