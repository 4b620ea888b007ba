# SPDX-License-Identifier: Apache-2.0
"""A nats-server with JetStream in a folder of its own, and a reader of its streams over a plain socket.

Nothing of leat's is used to read: the protocol is written down here once more."""
import base64
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess

from . import places, wait

CURRENT = "2.15.1"
VERSIONS = ["debian", "current"]


def program(which):
    if which == "debian":
        path = pathlib.Path("/usr/sbin/nats-server")
        if not os.access(path, os.X_OK):
            raise places.Unavailable("nats-server is not installed (scripts/install-deps --test)")
        return path
    folder = places.ROOT / "build" / f"nats-server-{CURRENT}"
    path = folder / "bin" / "nats-server"
    getter = places.ROOT / "tests" / "integration" / "nats" / "get-server"
    places.fetch(folder, lambda: os.access(path, os.X_OK),
                 lambda: places.ask_registry(["sh", getter, folder], f"nats-server {CURRENT}"))
    return path


class Message:
    """What a stream holds under one sequence number."""

    __slots__ = ("sequence", "subject", "headers", "data")

    def __init__(self, sequence, subject, headers, data):
        self.sequence, self.subject, self.headers, self.data = sequence, subject, headers, data

    @property
    def id(self):
        return self.headers.get("Nats-Msg-Id") or self.headers.get("leat-id")

    def __repr__(self):
        return f"{self.sequence} {self.subject} {self.headers} {self.data[:200]!r}"


class Client:
    """One connection; requests are answered on an inbox of its own."""

    def __init__(self, port, timeout=20, login=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.buffer = bytearray()
        self.inbox = f"_INBOX.reader{os.urandom(6).hex()}"
        self.line()  # INFO
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, **(login or {})}
        self.send(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox}.* 1\r\nPING\r\n".encode())
        while self.line() != b"PONG":
            pass

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def fill(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError("the server has closed the connection")
        self.buffer += data

    def line(self):
        while True:
            end = self.buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(self.buffer[:end])
                del self.buffer[:end + 2]
                if line.startswith(b"-ERR"):
                    raise ConnectionError(line.decode())
                if line == b"PING":
                    self.send(b"PONG\r\n")
                    continue
                return line
            self.fill()

    def message(self):
        """(subject, reply, status, headers, data) of the next one."""
        while True:
            words = self.line().decode().split()
            if words and words[0] in ("MSG", "HMSG"):
                break
        head = words[0] == "HMSG"
        total, header = int(words[-1]), int(words[-2]) if head else 0
        reply = words[3] if len(words) == (6 if head else 5) else None
        while len(self.buffer) < total + 2:
            self.fill()
        data = bytes(self.buffer[:total])
        del self.buffer[:total + 2]
        status, headers = parse_headers(data[:header])
        return words[1], reply, status, headers, data[header:]

    def publish(self, subject, data=b"", headers=None, reply=""):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        if headers:
            head = ("NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode()
            self.send(f"HPUB {subject} {reply} {len(head)} {len(head) + len(data)}\r\n".encode() + head + data + b"\r\n")
        else:
            self.send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def request(self, subject, data=b"", headers=None):
        """The answer as JSON."""
        self.publish(subject, data, headers, f"{self.inbox}.r")
        while True:
            to, _, status, _, answer = self.message()
            if to == f"{self.inbox}.r":
                if status == 503:
                    raise ConnectionError(f"nobody answers {subject}")
                return json.loads(answer)

    def api(self, verb, data=b""):
        answer = self.request(f"$JS.API.{verb}", data)
        assert "error" not in answer, f"{verb}: {answer['error']}"
        return answer

    def stream(self, name):
        """Its state, or None."""
        answer = self.request(f"$JS.API.STREAM.INFO.{name}")
        return None if answer.get("error", {}).get("code") == 404 else answer["state"]

    def create_stream(self, name, subjects, **config):
        return self.api(f"STREAM.CREATE.{name}", {"name": name, "subjects": subjects, "storage": "file",
                                                  "retention": "limits", "num_replicas": 1, "discard": "new",
                                                  **config})

    def read(self, name, first=1):
        """Every Message of the stream from sequence `first` on, in order."""
        state = self.stream(name)
        if state is None or state["last_seq"] < first or not state["messages"]:
            return []
        made = self.api(f"CONSUMER.CREATE.{name}", {"stream_name": name, "config": {
            "ack_policy": "none", "deliver_policy": "by_start_sequence", "opt_start_seq": first,
            "replay_policy": "instant", "inactive_threshold": 20 * 10 ** 9, "max_deliver": -1}})
        consumer, found, last = made["name"], [], state["last_seq"]
        while not found or found[-1].sequence < last:
            self.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.{consumer}", {"batch": 1000, "no_wait": True},
                         reply=f"{self.inbox}.n")
            wanted = 1000
            while wanted and not (found and found[-1].sequence >= last):
                subject, reply, status, headers, data = self.message()
                if status is not None and not data:
                    break
                sequence = int(reply.split(".")[-4 if reply.count(".") == 8 else -5])
                found.append(Message(sequence, subject, headers, data))
                wanted -= 1
        self.api(f"CONSUMER.DELETE.{name}.{consumer}")
        return found

    def read_leader(self, name):
        """The same as the stream's leader has it: a consumer reads the replica that it happens to live on."""
        state, found = self.stream(name), []
        for first in range(1, state["last_seq"] + 1, 500):
            chunk = range(first, min(first + 500, state["last_seq"] + 1))
            for sequence in chunk:
                self.publish(f"$JS.API.STREAM.MSG.GET.{name}", {"seq": sequence}, reply=f"{self.inbox}.{sequence}")
            for _ in chunk:
                answer = json.loads(self.message()[4])
                assert "message" in answer, answer
                message = answer["message"]
                headers = parse_headers(base64.b64decode(message.get("hdrs", "")))[1]
                found.append(Message(message["seq"], message["subject"], headers, base64.b64decode(message["data"])))
        return sorted(found, key=lambda message: message.sequence)


def parse_headers(block):
    if not block:
        return None, {}
    first, *lines = block.decode("utf-8", "replace").split("\r\n")
    words = first.split(" ", 2)
    found = {}
    for line in lines:
        if line:
            name, value = line.split(":", 1)
            found[name] = value.strip()
    return int(words[1]) if len(words) > 1 else None, found


class Server:
    """One server.  start, kill, pause and resume may alternate; the port stays."""

    def __init__(self, which="debian", config=""):
        self.program = program(which)
        self.which = which
        self.folder = places.new_folder("n")
        self.port = places.free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.log = self.folder / "log"
        self.process = None
        self.login = None  # of client()
        (self.folder / "conf").write_text(
            f"listen: 127.0.0.1:{self.port}\njetstream {{ store_dir: \"{self.folder}/store\" }}\n{config}\n")
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", str(self.program), "-c", str(self.folder / "conf")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def wait_ready(self):
        def ready():
            assert self.process.poll() is None, f"nats-server ended:\n{self.log.read_text()[-2000:]}"
            try:
                with contextlib.closing(self.client(timeout=2)) as client:
                    return client.request("$JS.API.INFO")
            except (OSError, ConnectionError):
                return False
        wait.until(ready, "nats-server to answer")
        return self

    def wait_listening(self):
        """For one that has no JetStream to answer."""
        def listening():
            assert self.process.poll() is None, f"nats-server ended:\n{self.log.read_text()[-2000:]}"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
                return True
            return False
        wait.until(listening, "nats-server to listen")
        return self

    def reconfigure(self, text, how=signal.SIGHUP):
        """The server's own part of its configuration stays."""
        conf = self.folder / "conf"
        conf.write_text("\n".join(conf.read_text().split("\n")[:2]) + "\n" + text + "\n")
        if how:
            self.process.send_signal(how)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def pause(self):
        wait.freeze(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def destroy(self):
        self.kill()
        places.remove(self.folder)

    def client(self, **options):
        return Client(self.port, login=self.login, **options)

    def read(self, stream, first=1):
        with contextlib.closing(self.client()) as client:
            return client.read(stream, first)

    def wait_stream(self, name, messages=1):
        """Its state once it has so many messages."""
        def there():
            with contextlib.suppress(OSError, ConnectionError), contextlib.closing(self.client(timeout=5)) as client:
                state = client.stream(name)
                return state if state and state["messages"] >= messages else None
        return wait.until(there, f"{messages} messages in {name}")


class Cluster:
    """Three servers with one replicated stream."""

    def __init__(self, which="debian"):
        ports = [places.free_port() for _ in range(3)]
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
        self.servers = []
        try:
            for index, port in enumerate(ports):
                self.servers.append(Server(which, f'server_name: n{index}\ncluster {{ name: c, listen: '
                                                  f'"127.0.0.1:{port}", routes: [{routes}] }}'))
        except BaseException:
            self.destroy()
            raise

    def create_stream(self, name, subjects, **config):
        """Once the three have met."""
        def made():
            with contextlib.suppress(OSError, ConnectionError), contextlib.closing(self.servers[0].client(timeout=10)) as client:
                answer = client.request(f"$JS.API.STREAM.CREATE.{name}", {
                    "name": name, "subjects": subjects, "storage": "file", "retention": "limits", "num_replicas": 3, **config})
                return "error" not in answer or "in use" in str(answer["error"])
        wait.until(made, "a cluster that makes a stream", 60)

    def leader(self, name):
        """Who leads the stream now."""
        def found():
            for server in self.servers:
                with contextlib.suppress(OSError, ConnectionError), contextlib.closing(server.client(timeout=10)) as client:
                    leader = client.request(f"$JS.API.STREAM.INFO.{name}").get("cluster", {}).get("leader")
                    return self.servers[int(leader[1:])] if leader else None
            return None
        return wait.until(found, f"a leader of {name}", 60)

    def destroy(self):
        for server in self.servers:
            server.destroy()


class Target:
    """A stream as the end of a pipeline: what a sink needs to know, and what it made of it."""

    MODES = {"msg_id": {}, "sequence": {"dedupe": "sequence"}, "packed": {"pack": {"records": 50, "max_delay": "2ms"}},
             "atomic": {"publish": "atomic"}}

    def __init__(self, which="debian", mode="msg_id", stream="LEAT", config="", **options):
        self.name, self.mode, self.stream = f"nats {which} {mode}", mode, stream
        self.server = Server(which, config).wait_ready()
        if mode == "atomic":
            with contextlib.closing(self.server.client()) as client:
                client.create_stream(stream, ["cdc.>"], allow_atomic=True, duplicate_window=600 * 10 ** 9)
        self.options = {"name": "bus", "plugin": "nats", "url": self.server.url, "stream": stream, "create_stream": True,
                        "create": {"subjects": ["cdc.>"]}, "route": "cdc.{schema}.{table}.{op}", "confirm_hold": "0s",
                        "ack_timeout": "3s", "retry_max": "1s", **self.MODES[mode], **options}
        if mode == "packed":
            self.options.setdefault("route", "cdc.{table}")

    def sink(self):
        return self.options

    def kill(self):
        self.server.kill()

    def start(self):
        self.server.start()

    def pause(self):
        self.server.pause()

    def resume(self):
        self.server.resume()

    def destroy(self):
        self.server.destroy()

    def messages(self):
        found = self.server.wait_ready().read(self.stream)
        assert [message.sequence for message in found] == list(range(1, len(found) + 1))
        return found

    def lines(self, slot="leat"):
        """Every record as a line of JSON, in the stream's order; the headers tell the same identity."""
        lines = []
        for message in self.messages():
            mine = message.data.decode("utf-8").rstrip("\n").split("\n")
            ids = [identity(line, slot) for line in mine]
            assert message.id == ids[-1], f"{message}: {ids[-1]}"
            if self.mode == "packed" and len(ids) > 1:
                assert (message.headers["leat-first"], message.headers["leat-count"]) == (ids[0], str(len(ids))), message
            else:
                assert len(ids) == 1, message
            lines += mine
        return lines


def identity(line, slot):
    """<slot>:<lsn>:<seq> of a line, without reading all of it."""
    record = json.loads(line)
    return f"{slot}:{record['lsn']}:{record['seq']}"
