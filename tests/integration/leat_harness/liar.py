# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL that lies: TCP to a real one, where chosen statements are answered with what no PostgreSQL would say."""
import socket
import struct
import threading

from .proxy import Proxy

READY = b"Z\0\0\0\5I"


def message(kind, body):
    return kind + struct.pack("!i", len(body) + 4) + body


def answer(columns, rows):
    """A result without an end: columns of text, each value a `1`."""
    named = b"".join(b"c\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0) for _ in range(columns))
    value = struct.pack("!i", 1) + b"1"
    return (message(b"T", struct.pack("!h", columns) + named)
            + message(b"D", struct.pack("!h", columns) + value * columns) * rows
            + message(b"C", b"SELECT %d\0" % rows))


COPY_OUT = message(b"H", struct.pack("!bh", 0, 0))


class Liar(Proxy):
    def __init__(self, database):
        self.target = str(database.postgres.socket / f".s.PGSQL.{database.postgres.port}")
        self.lies = {}  # a piece of a statement: the bytes of its answer, or what is done before it is passed on
        self.told = threading.Semaphore(0)
        super().__init__(self.reach)
        self.dsn = f"host=127.0.0.1 port={self.port} dbname={database.name} sslmode=disable gssencmode=disable"

    def reach(self):
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        return server

    def forward(self, client, server):
        said = client.makefile("rb")
        first, lie = True, None
        try:
            while True:
                kind = b"" if first else said.read(1)
                length = said.read(4)
                if len(length) < 4:
                    break
                body = said.read(struct.unpack("!i", length)[0] - 4)
                first = False
                if kind in (b"Q", b"P"):
                    lie = next((bytes_ for piece, bytes_ in self.lies.items() if piece in body), None)
                if callable(lie):
                    lie()
                    lie = None
                if lie is None:
                    server.sendall(kind + length + body)
                elif kind in (b"Q", b"S"):  # of the extended protocol what comes before S is passed over
                    client.sendall((b"1\0\0\0\4" + b"2\0\0\0\4" if kind == b"S" else b"") + lie)
                    lie = None
                    self.told.release()
            server.shutdown(socket.SHUT_WR)
        except OSError:
            return
