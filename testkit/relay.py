"""A TCP relay that can go deaf: what firewalls and load balancers do to connections they have forgotten."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

CHUNK = 65536


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    frozen: threading.Event = field(default_factory=threading.Event)

    def carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carry one direction until it ends."""
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if not self.frozen.is_set():
                    target.sendall(data)
            if not self.frozen.is_set():
                target.shutdown(socket.SHUT_WR)


class Relay:
    """Relays a free port of loopback to another one. `freeze` swallows what open connections carry."""

    def __init__(self, port: int) -> None:
        """Name the port that is relayed to."""
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The port to connect to."""
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        sockets = [each for pair in self._connections for each in (pair.client, pair.server)]
        for each in (self._listener, *sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._listener, *sockets):
            each.close()

    def freeze(self) -> int:
        """Carry no byte of the connections that are open now, and close none; return their number."""
        for each in self._connections:
            each.frozen.set()
        return len(self._connections)

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                pair = _Connection(client, socket.create_connection(self._target))
                self._connections.append(pair)
                self._start(pair.carry, pair.client, pair.server)
                self._start(pair.carry, pair.server, pair.client)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()
