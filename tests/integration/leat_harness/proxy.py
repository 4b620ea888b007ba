# SPDX-License-Identifier: Apache-2.0
"""A port of this machine whose connections go on to a server, through threads that a test may put itself into."""
import contextlib
import socket
import threading


class Proxy:
    """Of a kind that says what becomes of the bytes towards the server: forward, a thread for each connection."""

    def __init__(self, connect):
        self.connect = connect  # a new socket to the server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets, self.threads = [], []
        self.run(self.accept)

    def run(self, what, *args):
        thread = threading.Thread(target=what, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = self.connect()
            except OSError:  # nobody is there: nor for the client
                client.close()
                continue
            self.sockets += [client, server]
            self.begin(client, server)

    def begin(self, client, server, *more):
        self.run(self.forward, client, server, *more)
        self.run(self.back, server, client)

    @staticmethod
    def back(server, client):
        try:
            while data := server.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def destroy(self):
        """A thread that waits in a call on a socket that is closed waits on: and when the call is begun again (a signal does
        that), it may find another socket under the number, that of the next test.  So each is woken, and gone before."""
        for sockets, threads in ([self.listener], self.threads[:1]), (self.sockets, self.threads):
            for each in sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(20)
        for each in [self.listener, *self.sockets]:
            each.close()


class Cable(Proxy):
    """Passes TCP on, or swallows both ways without a word, as a cable that is pulled: neither end hears of it."""

    def __init__(self, port):
        self.states = []
        self.dead = False  # for new connections, too
        super().__init__(lambda: socket.create_connection(("127.0.0.1", port)))

    def begin(self, client, server, *more):
        state = {"frozen": self.dead}
        self.states.append(state)
        for a, b in ((client, server), (server, client)):
            self.run(self.copy, a, b, state)

    @staticmethod
    def copy(a, b, state):
        try:
            while data := a.recv(65536):
                if state["frozen"]:
                    continue  # swallowed
                b.sendall(data)
            if not state["frozen"]:
                b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def freeze(self):
        """The connections of this moment; new ones pass."""
        for state in self.states:
            state["frozen"] = True

    def pull(self):
        """These, and all new ones."""
        self.dead = True
        self.freeze()

    def mend(self):
        """New ones pass again; what was swallowed stays so."""
        self.dead = False
