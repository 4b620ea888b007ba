# SPDX-License-Identifier: Apache-2.0
"""Completion, as real shells do it: commands, options, plugins, and the names of a configuration."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess

import pytest

from leat_harness import places
from leat_harness.leat import command

SCRIPTS = places.ROOT / "completion"


@pytest.fixture
def shop(leat):
    """Nothing of it is reachable, and completion does not mind."""
    source = {"plugin": "pgoutput", "dsn": "${file:/nowhere}", "slot": "s", "publication": "p"}
    return leat(pipelines=[{"name": "shop", "source": source, "sinks": [{"plugin": "nosuch", "name": "bus"}, {"plugin": "file"}]},
                           {"name": "mail", "source": source, "sinks": [{"plugin": "file", "name": "post"}]}])


CASES = [
    (["sta"], {"status"}),
    (["re"], {"resume", "reload"}),
    (["slot", ""], {"create", "drop", "show"}),
    (["slot", "-c", "FILE", ""], {"create", "drop", "show"}),
    (["slot", "create", ""], set()),
    (["run", "-"], {"-c", "--help"}),
    (["check", "--o"], {"--offline"}),
    (["tail", "--f"], {"--from", "--format"}),
    (["resume", "--a"], {"--accept-gap"}),
    (["tail", "-c", "FILE", "--pipeline", ""], {"shop", "mail"}),
    (["tail", "-c", "FILE", "--pipeline", "shop", "--route", ""], {"bus", "file"}),
    (["tail", "-c", "FILE", "--pipeline=ma"], {"mail"}),
    (["pause", "-c", "FILE", "--sink", ""], {"bus", "file", "post"}),
    (["pause", "--pipeline", "mail", "-c", "FILE", "--sink", ""], {"post"}),
    (["tail", "--from", ""], {"now", "slot"}),
    (["tail", "--op", "d"], {"delete"}),
    (["tail", "--count", ""], set()),
    (["loglevel", "d"], {"debug"}),
    (["loglevel", "--component", "shop/", "-c", "FILE", "--component", "shop/b"], {"shop/bus"}),
    (["plugins", "p"], {"pgoutput"}),
    (["plugins", "--mdoc", "f"], {"file"}),
    (["nosuch", "--"], set()),
]


def bash(words):
    script = f"""
        leat() {{ :; }}; PATH={places.BUILD}:$PATH; source {SCRIPTS}/leat.bash
        complete() {{ :; }}
        unset -f leat; COMP_WORDS=(leat "$@"); COMP_CWORD=$#; _leat; printf '%s\\n' "${{COMPREPLY[@]}}" """
    return subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words, expected", CASES, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bash(shop, words, expected):
    words = [word.replace("FILE", str(shop.config)) for word in words]
    pieces = []  # as bash divides them: = is a word of its own
    for word in words:
        pieces += [piece for piece in re.split(r"(=)", word) if piece] or [""]
    done = bash(pieces)
    assert set(done.stdout.split()) == expected, done


def test_every_option_that_a_command_takes_is_offered(shop):
    """And none that it does not take."""
    for name in re.findall(r"^  ([a-z]+) ", command("--help").stdout, re.M):
        offered = set(bash([name, "-"]).stdout.split())
        written = set(re.findall(r"(?<![-a-z])(--[a-z][a-z-]*|-[a-z])(?![a-z])", command(name, "--help").stdout)) | {"--help"}
        assert offered == written, name
        for option in offered - {"--help"}:
            done = command(name, option, "--help")
            assert "unrecognized option" not in done.stderr and "not for this command" not in done.stderr, (name, option, done)


def test_bash_files(shop, scratch):
    for name in ("one.yaml", "two.yml", "three.txt"):
        (scratch / name).write_text("")
    (scratch / "folder").mkdir()
    done = bash(["run", "-c", f"{scratch}/"])
    assert {line.rpartition("/")[2] for line in done.stdout.split()} == {"one.yaml", "two.yml", "folder"}, done
    done = bash(["plugins", "--plugins", f"{scratch}/"])
    assert {line.rpartition("/")[2] for line in done.stdout.split()} == {"folder"}, done


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, *command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.environ.update(env, TERM="dumb", PS1="> ", HOME="/nonexistent")
            os.execvp(command[0], command)
        self.seen = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def until(self, pattern, timeout=60):
        while not re.search(pattern, self.seen):
            ready, _, _ = select.select([self.fd], [], [], timeout)
            assert ready, f"no {pattern!r} in {self.seen!r}"
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07", "", os.read(self.fd, 65536).decode(errors="replace"))
        found, self.seen = self.seen, ""
        return found

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_at_a_real_prompt(shop, things, name):
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed (scripts/install-deps --test)")
    shell = Shell(*(["bash", "--norc", "--noprofile", "-i"] if name == "bash" else ["zsh", "-f", "-i"]),
                  env={"PATH": f"{places.BUILD}:{os.environ['PATH']}"})
    things.append(shell)
    if name == "bash":
        shell.type(f"source {SCRIPTS}/leat.bash; echo is-$((40 + 2))\n")
    else:
        shell.type(f"PS1='> '; unsetopt zle_bracketed_paste; fpath=({SCRIPTS} $fpath); autoload -U compinit; "
                   "compinit -u -D; echo is-$((40 + 2))\n")
    shell.until(r"is-42\s*\n?.*> ")
    shell.type("leat docto\t")
    shell.until("leat doctor ")
    shell.type(f"-c {shop.config} --pip\t")
    shell.until("--pipeline ")
    shell.type("sh\t")
    shell.until("shop ")
    shell.type("\x15leat tail -c " + str(shop.config) + " --pipeline=m\t")
    shell.until("mail ")
    shell.type(f"\x15leat check -c {str(shop.config)[:-4]}\t")
    shell.until("config.yaml ")
    shell.type("\x15leat plugins \t\t")
    shell.until("pgoutput")
