"""Keep the embedded server running."""

from __future__ import annotations

import threading
import time

from flask_celeriac.embedded import EmbeddedServer
from flask_celeriac.errors import CeleriacError

from .backoff import Backoff
from .child import describe_end
from .terminal import Terminal

NAME = "redis"


class ServerKeeper:
    """Starts the embedded server again when it ended by itself.

    Args:
        server: Started already.
    """

    def __init__(self, server: EmbeddedServer, terminal: Terminal) -> None:
        self.server = server
        self._terminal = terminal
        self._backoff = Backoff()
        self._url = server.url
        self._started_s = time.monotonic()
        self._again_at_s: float | None = None
        self._starting: threading.Thread | None = None

    def tick(self) -> bool:
        """Look after the server, without waiting for it.

        Returns:
            True once after the server came back under another address, so that its clients
            must be started anew.
        """
        now_s = time.monotonic()
        if self._starting is not None:
            return self._see_whether_started()
        if self.server.returncode is None:
            return False
        if self._again_at_s is None:
            self._plan(describe_end(self.server.returncode), now_s)
        elif now_s >= self._again_at_s:
            # In a thread, since the server may read its data for long.
            self._starting = threading.Thread(target=self._start, daemon=True)
            self._starting.start()
        return False

    def _plan(self, what: str, now_s: float) -> None:
        wait_s = self._backoff.after(now_s - self._started_s)
        self._again_at_s = now_s + wait_s
        self._terminal.say(
            f"{NAME} {what}; starts again in {wait_s:.0f} s", colour="red", is_bold=True
        )

    def _start(self) -> None:
        try:
            self.server.start()
        except CeleriacError as error:
            self._terminal.write(NAME, str(error))

    def _see_whether_started(self) -> bool:
        assert self._starting is not None  # noqa: S101 - for the type checker
        if self._starting.is_alive():
            return False
        self._starting = None
        self._again_at_s = None
        self._started_s = time.monotonic()
        if self.server.returncode is not None:
            return False
        self._terminal.write(NAME, f"{self.server.version} runs again at {self.server.place}")
        is_elsewhere = self.server.url != self._url
        self._url = self.server.url
        return is_elsewhere
