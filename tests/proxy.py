"""A way to the broker that stalls, loses replies or cuts connections, as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Listens on a port of its own and carries everything to *target* and back.

    Attributes:
        port: Where it listens.
        is_stalled: Nothing is carried, and nothing is said about that.
        lost: How many replies were lost.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._go = threading.Event()
        self._go.set()
        self._word = b""
        self._is_cut = False
        self.lost = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def is_stalled(self) -> bool:
        return not self._go.is_set()

    def url(self, url: str) -> str:
        """Return *url* by way of this proxy."""
        before, _, after = url.rpartition(":")
        return f"{before}:{self.port}/{after.partition('/')[2]}"

    def stall(self) -> None:
        self._go.clear()

    def go_on(self) -> None:
        self._go.set()

    def lose_reply(self, word: bytes, *, is_cut: bool) -> None:
        """Lose the reply to the next request with *word*; cut that connection, or stay silent."""
        self._word, self._is_cut = word, is_cut

    def cut(self) -> None:
        """Cut all connections; new ones are welcome."""
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the wait for the next client
        self._listener.close()
        self.go_on()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            link = _Link(client, server)
            for copy in (self._carry_requests, self._carry_replies):
                threading.Thread(target=copy, args=(link,), daemon=True).start()

    def _carry_requests(self, link: _Link) -> None:
        with link.closing():
            while data := link.client.recv(65536):
                self._go.wait()
                if self._word and self._word in data:
                    self._word, link.is_deaf = b"", True
                link.server.sendall(data)

    def _carry_replies(self, link: _Link) -> None:
        with link.closing():
            while data := link.server.recv(65536):
                self._go.wait()
                if not link.is_deaf:
                    link.client.sendall(data)
                    continue
                self.lost += 1
                if self._is_cut:
                    return


class _Link:
    """One connection on both sides."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.is_deaf = False

    @contextmanager
    def closing(self) -> Iterator[None]:
        """End both sides when one has ended, however it did."""
        with suppress(OSError):
            yield
        for one in (self.client, self.server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
