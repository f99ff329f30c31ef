"""A way to the server that can be cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

_RESET = struct.pack("ii", 1, 0)


class Relay:
    """Carries everything between a port of its own and *target_port* of the loopback."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._shut_until = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, for_s: float) -> int:
        """Reset every connection, and let nobody through for *for_s* seconds.

        Returns:
            How many ends were cut.
        """
        self._shut_until = time.monotonic() + for_s
        with self._lock:
            ends = list(self._open)
        for end in ends:
            _reset(end)
        return len(ends)

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            try:
                if time.monotonic() < self._shut_until:
                    raise ConnectionRefusedError
                server = socket.create_connection(self._target, timeout=5.0)
            except OSError:
                _reset(client)
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with self._lock:
            self._open.add(source)
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with self._lock:
            self._open.discard(source)
        # The other direction ends too, and each closes the end that it reads.
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        source.close()


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
