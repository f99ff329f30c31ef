"""Load on a web server: `python -m benchmarks.peers.load PORT PATH CONNECTIONS SECONDS`.

Each connection is kept and sends a request as soon as the one before is answered. Prints JSON. What
is a right answer, and what a request has beside its path, is said by options.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from typing import Any

from benchmarks.spread import percentile

#: Seconds at the beginning in which connections are made and caches filled: not counted.
_WARM_UP_S = 0.5
_ANSWER_WITHIN_S = 15.0


class _Connection(asyncio.Protocol):
    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if end and len(body) >= _length_of(head):
            self._load.note(self._sent_at, is_right=self._load.is_right(head, body))
            if self._load.is_over():
                self._transport.close()
            else:
                self._send()

    def connection_lost(self, _: Exception | None) -> None:
        if not self._load.is_over():
            self._load.note(self._sent_at, is_right=False)
        self._load.leave()

    def _send(self) -> None:
        self._received = b""
        self._sent_at = time.perf_counter()
        self._transport.write(self._load.request)


class _Load:
    def __init__(self, options: argparse.Namespace) -> None:
        lines = [f"GET {options.path} HTTP/1.1", "Host: 127.0.0.1", *options.header, "", ""]
        self.request = "\r\n".join(lines).encode()
        self._begins_at = time.perf_counter() + _WARM_UP_S
        self._ends_at = self._begins_at + options.seconds
        self._seconds = options.seconds
        self._status = f"HTTP/1.1 {options.status} ".encode()
        self._members: dict[str, Any] = options.members
        self._waits_s: list[float] = []
        self._errors = 0
        self._open = options.connections
        self.all_left = asyncio.Event()

    def is_over(self) -> bool:
        return bool(time.perf_counter() >= self._ends_at)

    def is_right(self, head: bytes, body: bytes) -> bool:
        """Tell whether an answer is the expected one; without members it has no body."""
        if not head.startswith(self._status):
            return False
        known = json.loads(body) if self._members else {}
        return all(known.get(name) == value for name, value in self._members.items())

    def note(self, sent_at: float, *, is_right: bool) -> None:
        """Note an answer, if it came in the time that counts."""
        now = time.perf_counter()
        if not is_right:
            self._errors += 1
        elif self._begins_at <= now < self._ends_at:
            self._waits_s.append(now - sent_at)

    def leave(self) -> None:
        self._open -= 1
        if not self._open:
            self.all_left.set()

    def figures(self) -> dict[str, float]:
        waits_s = self._waits_s or [float("inf")]
        return {
            "requests_per_s": len(self._waits_s) / self._seconds,
            "p50_ms": percentile(waits_s, 0.5) * 1e3,
            "p99_ms": percentile(waits_s, 0.99) * 1e3,
            # Whoever has no answer by then has waited longer than the view may.
            "errors": self._errors + self._open,
        }


def _length_of(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def _run(options: argparse.Namespace) -> dict[str, float]:
    loop, load = asyncio.get_running_loop(), _Load(options)
    for _ in range(options.connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", options.port)
    with contextlib.suppress(TimeoutError):
        within_s = _WARM_UP_S + options.seconds + _ANSWER_WITHIN_S
        await asyncio.wait_for(load.all_left.wait(), within_s)
    return load.figures()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers.load", description=__doc__)
    add = parser.add_argument
    add("port", type=int)
    add("path")
    add("connections", type=int)
    add("seconds", type=float)
    add("--header", action="append", default=[], help="a line of each request's head")
    add("--status", type=int, default=200, help="of a right answer")
    add("--members", type=json.loads, default={"info": 1}, help="that the body has, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(_options()))))
