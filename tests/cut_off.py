"""A database server that can be cut off: a real one, reached through a door that can be shut."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy


class Door:
    """Forwards connections to a server until it is shut, which also ends those that are open."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.opens()

    def opens(self) -> None:
        """Let connections through, at the port of the first time."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def shuts(self) -> None:
        """End every connection, and refuse others."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cuts()

    def cuts(self) -> None:
        """End every connection; others are let through."""
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
            except OSError:
                return
            self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()  # The other one is closed by the thread that reads from it.


@contextmanager
def door_to(url: str) -> Iterator[tuple[Door, str]]:
    """Yield a door to the server of a database URL, and the URL that leads through it."""
    parsed = sqlalchemy.make_url(url)
    door = Door((parsed.host or "127.0.0.1", parsed.port or 5432))
    through = parsed.set(host="127.0.0.1", port=door.port)
    yield door, through.render_as_string(hide_password=False)
    door.shuts()
