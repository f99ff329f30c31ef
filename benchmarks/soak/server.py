"""A Redis that is killed and started again on its append-only file."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import redis

from flask_celeriac.embedded import GuardedProcess, find_binary

_READY_S = 60.0


class Server:
    """Keeps its port and its data; what it has answered to is on disk.

    Every write is synced before the answer: this is about the extension, and not about the
    second that `everysec` may lose.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._binary = find_binary()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.client = redis.Redis(port=self.port, socket_timeout=10.0)
        self.product = self._binary.product
        folder.mkdir()
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory-policy": "noeviction",
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = GuardedProcess(
                [self._binary.path, *words],
                env={**os.environ, "LC_ALL": "C"},
                stdout=log,
                stderr=log,
            )
        self._wait_until_ready()

    def kill(self) -> None:
        """End it with SIGKILL."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10.0)

    def stop(self) -> None:
        """End it in order."""
        self._process.terminate()
        with contextlib.suppress(TimeoutError):
            self._process.wait(10.0)
        self._process.end()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_S
        while True:
            try:
                self.client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
