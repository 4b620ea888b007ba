# SPDX-License-Identifier: Apache-2.0
"""Where things are, folders that are short enough for Unix sockets, and the user that may run PostgreSQL."""
import contextlib
import fcntl
import os
import pathlib
import pwd
import random
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("LEAT_BUILD", "build/release")).resolve()
DEBUG_BUILD = (ROOT / os.environ.get("LEAT_DEBUG_BUILD", "build/asan")).resolve()
SANITIZED = any(word in BUILD.name for word in ("asan", "tsan"))


class Unavailable(Exception):
    """What a test needs cannot be had here; the text says why."""


def is_root():
    return os.geteuid() == 0


def postgres_user():
    """None: run as ourselves.  PostgreSQL refuses to be root."""
    if not is_root():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user to run PostgreSQL as")


def as_postgres(command, die_with_us=None):
    """The command line that runs `command` as the user PostgreSQL may have."""
    user = postgres_user()
    prefix = []
    if user:
        prefix += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    if die_with_us:
        prefix += ["--pdeathsig", die_with_us]
    return (["setpriv", *prefix, "--"] if prefix else []) + [str(word) for word in command]


def new_folder(tag):
    """A folder under /tmp whose path is short: a Unix socket's has to fit into 107 bytes."""
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"leat-{tag}-", dir=os.environ.get("LEAT_TEST_TMP", "/tmp")))
    path.chmod(0o755)
    return path


def give_to_postgres(path):
    user = postgres_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


@contextlib.contextmanager
def alone(path):
    """What is fetched to this path is fetched by one process at a time; the lock stays beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


REFUSED_FOR = 1800  # seconds


def fetch(path, there, get):
    """Calls get() under the lock of this path unless there() says that it is there already.  What cannot be had is asked for
    once, not once a test: the reason (get raises Unavailable) lies beside it for half an hour, or until scripts/test begins."""
    refused = pathlib.Path(f"{path}.refused")
    with alone(path):
        if there():
            return
        if refused.exists() and time.time() - refused.stat().st_mtime < REFUSED_FOR:
            raise Unavailable(refused.read_text(encoding="utf-8"))
        try:
            get()
            if not there():
                raise Unavailable(f"{path.name} cannot be had here")
            refused.unlink(missing_ok=True)
        except Unavailable as reason:
            refused.write_text(str(reason), encoding="utf-8")
            raise


def ask_registry(command, what, seconds=180, **options):
    """Runs what asks a registry; Unavailable when it fails, or is not through in time."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=seconds, check=False, **options)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{what}: {command[0]} was not through after {seconds} s") from error
    except OSError as error:
        raise Unavailable(f"{what}: {command[0]}: {error.strerror}") from error
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"status {done.returncode}"]
        raise Unavailable(f"{what}: {command[0]} failed: {lines[0][:200]}")
    return done.stdout


def remove(path):
    shutil.rmtree(path, ignore_errors=True)


_ports, _names = [], []


def free_port():
    """A port that nobody listens on, given once.  It may be long until it is taken, so it is none of those that the
    kernel gives to clients, each of pytest's workers has some of its own, and as long as this process lives a name
    that goes away with it (an abstract socket) keeps other runs on this machine from it."""
    if not _ports:
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 8
        first = 8000 + 3000 * worker
        _ports.extend(random.SystemRandom().sample(range(first, first + 3000), 3000))
    while True:
        port = _ports.pop()
        with socket.socket() as s, contextlib.suppress(OSError):
            name = socket.socket(socket.AF_UNIX)
            name.bind(f"\0leat-test-port-{port}")
            _names.append(name)
            s.bind(("127.0.0.1", port))
            return port


def run(command, **options):
    """subprocess.run whose failure shows what the command said."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    done = subprocess.run([str(word) for word in command], text=True, cwd=options.pop("cwd", "/"), **options)
    if done.returncode:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class SmallDisk:
    """A tmpfs of `size` bytes (root only), which can be filled and emptied again."""

    def __init__(self, path, size):
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "leat-test", self.path])

    def fill(self):
        """No byte is left."""
        with open(self.path / "ballast", "wb", buffering=0) as ballast:
            block = 1 << 20
            while block:
                try:
                    if ballast.write(b"\0" * block) < block:
                        block //= 2
                except OSError:
                    block //= 2

    def drain(self):
        (self.path / "ballast").unlink(missing_ok=True)

    def close(self):
        subprocess.run(["umount", "-l", str(self.path)], check=False, capture_output=True)
