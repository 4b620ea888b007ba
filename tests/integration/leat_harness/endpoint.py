# SPDX-License-Identifier: Apache-2.0
"""What a daemon's admin endpoint says: one request over its Unix socket."""
import http.client
import json
import re
import socket


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("leat", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(self.path)


def get(path, what):
    """(status, text)"""
    connection = _Connection(path)
    connection.request("GET", what)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def status(path):
    return json.loads(get(path, "/status")[1])


def metric(path, name, **labels):
    """The value of one line of /metrics; None where there is none."""
    for line in get(path, "/metrics")[1].splitlines():
        found = re.fullmatch(re.escape(name) + r"(?:\{(.*)\})? (\S+)", line)
        if not found:
            continue
        have = dict(re.findall(r'(\w+)="([^"]*)"', found.group(1) or ""))
        if all(have.get(key) == value for key, value in labels.items()):
            return float(found.group(2))
    return None
