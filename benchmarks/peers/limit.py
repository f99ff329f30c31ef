"""What one Python process with hiredis and one connection can do on the same server."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import hiredis

#: About as long as a message of Celery's, and as a result.
_MESSAGE = b"m" * 600
_RESULT = b"r" * 200
_PIPELINED = 100
_QUEUE, _KEPT, _CHANNEL = b"limit", b"limit-result", b"limit-channel"
_PUSH = (b"LPUSH", _QUEUE, _MESSAGE)
_POP = (b"BLPOP", _QUEUE, b"1")
_KEEP = (b"SETEX", _KEPT, b"3600", _RESULT)
_TELL = (b"PUBLISH", _CHANNEL, _RESULT)

#: What is measured: one by one, and as many at once as `_PIPELINED`.
PUSH, RUN = "LPUSH", "BLPOP, SETEX + PUBLISH"
PUSH_MANY, RUN_MANY = f"{PUSH}, pipelined", f"{RUN}, pipelined"
NAMES = (PUSH, RUN, PUSH_MANY, RUN_MANY)

Command = tuple[Any, ...]


class _Connection:
    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname, place.port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()
        self.ask(b"AUTH", (place.password or "").encode())

    def ask(self, *command: bytes) -> None:
        self.ask_all([command])

    def ask_all(self, commands: list[Command]) -> None:
        """Send *commands* at once, and read as many answers."""
        self._socket.sendall(b"".join([hiredis.pack_command(command) for command in commands]))
        for _ in commands:
            while (answer := self._reader.gets()) is False:
                self._reader.feed(self._socket.recv(65536))
            if isinstance(answer, Exception):
                raise answer

    def close(self) -> None:
        self._socket.close()


def measure_limit(url: str, count: int) -> dict[str, dict[str, float]]:
    """Return how often the commands that a task costs at least fit into a second.

    Args:
        count: Tasks one by one; ten times as many where they are pipelined.
    """
    connection = _Connection(url)
    count = max(count // _PIPELINED, 1) * _PIPELINED
    task = (_POP, _KEEP, _TELL)
    try:
        return {
            PUSH: _rate(count, 1, lambda: connection.ask(*_PUSH)),
            RUN: _rate(count, 1, lambda: _run_one(connection)),
            PUSH_MANY: _rate(
                count * 10, _PIPELINED, lambda: connection.ask_all([_PUSH] * _PIPELINED)
            ),
            RUN_MANY: _rate(
                count * 10, _PIPELINED, lambda: connection.ask_all([*task] * _PIPELINED)
            ),
        }
    finally:
        connection.close()


def _run_one(connection: _Connection) -> None:
    connection.ask(*_POP)
    connection.ask_all([_KEEP, _TELL])


def _rate(count: int, step: int, act: Callable[[], None]) -> dict[str, float]:
    began = time.perf_counter()
    for _ in range(0, count, step):
        act()
    return {"tasks_per_s": count / (time.perf_counter() - began)}
