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
            self._reading.recv(4096)
        self._is_rung = False

    def close(self) -> None:
        """Close both ends; ringing does nothing from now on."""
        self._reading.close()
        self._writing.close()


class Wait:
    """Waits for one socket and one wake, any number of times; used by one thread."""

    def __init__(self, wake: Wake, sock: socket.socket) -> None:
        self._wake = wake
        self._fds = [wake.fileno(), sock.fileno()]
        # Looked up at each call: gevent may replace it after this module was imported.
        make_poll = getattr(select, "poll", None)
        self._poll = make_poll() if make_poll is not None else None
        if self._poll is not None:
            for fd in self._fds:
                self._poll.register(fd, select.POLLIN)

    def __call__(self, timeout_s: float) -> bool:
        """Return when the socket can be read, somebody rang or *timeout_s* are over.

        Returns:
            Whether there is something about the socket: it can be read, or was closed.
        """
        if self._poll is not None:
            ready = [fd for fd, _ in self._poll.poll(timeout_s * 1000)]
        else:
            ready = select.select(self._fds, [], [], timeout_s)[0]
        if self._fds[0] in ready:
            self._wake.hear()
        return self._fds[1] in ready
