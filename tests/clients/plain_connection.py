"""A client that reads as much as a test wants, or nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from client_site import TIMEOUT_S, Site


class PlainConnection:
    """One GET over a connection whose buffer is small, so that the server feels who is slow."""

    def __init__(self, site: Site, path: str, **headers: str) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(("127.0.0.1", site.port))
        lines = [f"GET {path} HTTP/1.0", "Host: 127.0.0.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def read(self, most_bytes: int) -> bytes:
        return self._socket.recv(most_bytes)

    def rest(self) -> Iterator[bytes]:
        """Read on to the end."""
        while data := self.read(65536):
            yield data

    def leave(self) -> None:
        self._socket.close()
