"""A line to a database server that can be cut."""

import socket
import threading
import time
from contextlib import suppress

import sqlalchemy

_PORTS = {"postgresql": 5432, "mysql": 3306}


class BrokenLine:
    """Forwards connections to a server, but for when it is cut: then they break, or are refused."""

    def __init__(self, server: sqlalchemy.URL) -> None:
        self._to = (server.host or "127.0.0.1", server.port or _PORTS[server.get_backend_name()])
        self._listener = self._listening(0)
        self._port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        own = server.set(host="127.0.0.1", port=self._port)
        self.url = own.render_as_string(hide_password=False)
        """Of the server, through this line."""
        self._begin()

    def _listening(self, port: int) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(256)
        return listener

    def _begin(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:  # It was closed.
                return
            far = socket.create_connection(self._to)
            self._open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self._open.discard(end)

    def cut(self, seconds: float) -> None:
        """Break every connection, and refuse new ones for so long."""
        self.close()
        time.sleep(seconds)
        self._listener = self._listening(self._port)
        self._begin()

    def close(self) -> None:
        """Break every connection and listen no more."""
        with suppress(OSError):  # What only closes it leaves accept() waiting.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in [*self._open]:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
