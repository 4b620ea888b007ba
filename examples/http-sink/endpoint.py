#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""endpoint.py FILE [--port N] [--cert PEM] [--token T] [--reject TEXT] [--trouble N]

The endpoint that http.c asks for, small enough to copy: it appends each body to FILE, in one piece with the identity of
its last record, and answers when that is synced.

FILE has lines "<length> <identity> <key>" each before a body; what a crash left half written is cut off at the start.
--trouble N makes it misbehave at random in one request of N: 503 before, 503 after storing, the connection cut before or
after storing.  It prints its port, and ends with its standard input.
"""
import argparse
import http.server
import os
import random
import ssl
import sys
import threading


class Log:
    """The file; one writer at a time."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.last = self.key = None
        self.file = open(path, "a+b")  # pylint: disable=consider-using-with
        self.file.seek(0)
        end = 0
        while True:
            head = self.file.readline()
            words = head.split()
            if not head.endswith(b"\n") or len(words) != 4:
                break
            body = self.file.read(int(words[0]))
            if len(body) < int(words[0]):
                break
            end = self.file.tell()
            self.last, self.key = f"{words[1].decode()} {words[2].decode()}", words[3].decode()
        self.file.truncate(end)
        os.fsync(self.file.fileno())

    def append(self, body, after, last, key):
        """200: stored now, or before.  409: it does not follow what is here."""
        with self.lock:
            if self.key == key:
                return 200
            if after != (self.last or "none"):
                return 409
            self.file.write(f"{len(body)} {last} {key}\n".encode() + body)
            self.file.flush()
            os.fsync(self.file.fileno())
            self.last, self.key = last, key
            return 200


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log = options = None

    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def allowed(self):
        if not self.options.token or self.headers.get("Authorization") == f"Bearer {self.options.token}":
            return True
        self.answer(401)
        return False

    def do_GET(self):
        if self.allowed():
            last = {"Leat_Last": self.log.last} if self.log.last else {}
            self.answer(200, Leat_Log="1", **last)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.allowed():
            return
        trouble = random.randrange(4) if self.options.trouble and random.randrange(self.options.trouble) == 0 else None
        if trouble == 0:
            self.answer(503, Retry_After="0")
            return
        if trouble == 1:
            self.close_connection = True
            return
        if self.options.reject and self.options.reject.encode() in body:
            self.answer(422)
            return
        status = self.log.append(body, self.headers["Leat-After"], self.headers["Leat-Last"],
                                 self.headers["Idempotency-Key"].strip('"'))
        if trouble == 2:
            self.answer(503)
        elif trouble == 3:
            self.close_connection = True
        else:
            self.answer(status)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client that goes away is nothing to be told of."""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--token")
    parser.add_argument("--reject")
    parser.add_argument("--trouble", type=int)
    Handler.options = parser.parse_args()
    Handler.log = Log(Handler.options.file)
    server = Server(("127.0.0.1", Handler.options.port), Handler)
    if Handler.options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Handler.options.cert)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
