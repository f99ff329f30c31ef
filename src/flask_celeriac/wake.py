"""Wake one thread that waits for a socket, from any other thread."""

from __future__ import annotations

import contextlib
import select
import socket


class Wake:
    """A pair of sockets: who rings writes, who waits reads."""

    def __init__(self) -> None:
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)
        self._is_rung = False

    def ring(self) -> None:
        """End the wait that is going on, or the next one; never waits itself."""
        if not self._is_rung:
            self._is_rung = True
            # A full pipe wakes as well; a closed one has nobody to wake.
            with contextlib.suppress(OSError):
                self._writing.send(b".")

    def fileno(self) -> int:
        """The end that can be read when somebody rang."""
        return self._reading.fileno()

    def hear(self) -> None:
        """Take note: who rings from now on rings anew."""
        with contextlib.suppress(OSError):
            while self._reading.recv(4096):
                pass
        self._is_rung = False

    def wait(self, sock: socket.socket | None, timeout_s: float) -> None:
        """Return when *sock* can be read, somebody rang or *timeout_s* are over."""
        _wait_for([self._reading] if sock is None else [self._reading, sock], timeout_s)
        self.hear()

    def close(self) -> None:
        """Close both ends; ringing does nothing from now on."""
        self._reading.close()
        self._writing.close()


def _wait_for(sockets: list[socket.socket], timeout_s: float) -> None:
    # Looked up at each call: gevent may replace it after this module was imported.
    make_poll = getattr(select, "poll", None)
    if make_poll is None:
        select.select(sockets, [], [], timeout_s)
        return
    poll = make_poll()
    for sock in sockets:
        poll.register(sock, select.POLLIN)
    poll.poll(timeout_s * 1000)
