# SPDX-License-Identifier: Apache-2.0
"""A port of this machine whose connections go on to a server, through threads that a test may put itself into."""
import socket
import threading


class Proxy:
    """Of a kind that says what becomes of the bytes towards the server: forward, a thread for each connection."""

    def __init__(self, connect):
        self.connect = connect  # a new socket to the server
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = self.connect()
            except OSError:
                return
            self.sockets += [client, server]
            self.begin(client, server)

    def begin(self, client, server, *more):
        threading.Thread(target=self.forward, args=(client, server, *more), daemon=True).start()
        threading.Thread(target=self.back, args=(server, client), daemon=True).start()

    @staticmethod
    def back(server, client):
        try:
            while data := server.recv(1 << 16):
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def destroy(self):
        for each in [self.listener, *self.sockets]:
            each.close()
