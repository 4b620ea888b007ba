# SPDX-License-Identifier: Apache-2.0
"""A wire that keeps what is on it: TCP to one port of this machine, whose bytes towards the server can be held and let go
later, also when who sent them is long dead."""
import socket
import threading

from .proxy import Proxy


class Wire(Proxy):
    def __init__(self, port):
        self.lock = threading.Condition()
        self.pairs = []
        super().__init__(lambda: socket.create_connection(("127.0.0.1", port)))

    def begin(self, client, server, *more):
        pair = {"held": False, "bytes": 0}
        with self.lock:
            self.pairs.append(pair)
        super().begin(client, server, pair)

    def forward(self, client, server, pair):
        kept = bytearray()
        while True:
            try:
                data = client.recv(1 << 16)
            except OSError:
                data = b""
            with self.lock:
                kept += data
                pair["bytes"] = len(kept) if pair["held"] else 0
                if pair["held"] and not data:  # the sender is dead; the wire is not
                    self.lock.wait_for(lambda: not pair["held"])
                if pair["held"]:
                    continue
            try:
                server.sendall(kept)
                if not data:
                    server.shutdown(socket.SHUT_WR)
            except OSError:
                return
            kept.clear()
            if not data:
                return

    def hold(self):
        """From now on nothing more arrives of what comes over the connections of this moment."""
        with self.lock:
            for pair in self.pairs:
                pair["held"] = True

    def held(self):
        """Bytes that wait."""
        with self.lock:
            return sum(pair["bytes"] for pair in self.pairs)

    def let_go(self):
        with self.lock:
            for pair in self.pairs:
                pair["held"] = False
            self.lock.notify_all()

    def destroy(self):
        self.let_go()
        super().destroy()
