# SPDX-License-Identifier: Apache-2.0
"""The admin endpoint of a daemon: questions over its unix socket, and its figures as numbers."""
import http.client
import json
import re
import socket


class Local(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Admin:
    def __init__(self, path, timeout=30):
        self.path, self.timeout = path, timeout

    def ask(self, url, method="GET"):
        """Status code and text."""
        connection = Local(self.path, self.timeout)
        try:
            connection.request(method, url)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8")
        finally:
            connection.close()

    def post(self, url):
        return self.ask(url, "POST")

    def status(self):
        return json.loads(self.ask("/status")[1])

    def pipeline(self, index=0):
        return self.status()["pipelines"][index]

    def ready(self):
        code, text = self.ask("/readyz")
        return code == 200, text

    def metrics(self):
        """{(name, label, label...): number}; a label is "name=value"."""
        found = {}
        for line in self.ask("/metrics")[1].splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(r"([a-z_0-9]+)(?:\{(.*)\})? (\S+)", line).groups()
            parts = re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")
            found[(name, *(f"{key}={text}" for key, text in parts))] = float(value)
        return found

    def metric(self, name, *labels):
        """The sum of all that have these labels; None: there is none."""
        values = [value for key, value in self.metrics().items() if key[0] == name and set(labels) <= set(key[1:])]
        return sum(values) if values else None
