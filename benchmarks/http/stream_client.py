"""The clients of all streams, in one process: `python -m benchmarks.http.stream_client`.

It does what the runner asks: one line of JSON on standard input for each request, one on standard
output for each answer. Events are looked for, not parsed, so that it costs little beside the server
that is measured.
"""

from __future__ import annotations

import json
import resource
import select
import socket
import sys
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.spread import percentile

#: How many streams are being opened at a time.
_OPENING = 100
_READ_BYTES = 65536
_LOOK_EVERY_S = 0.2
_BEGIN = b"HTTP/1.1 200 "
_ID, _SENT, _END, _RESET = b"id: ", b'"sent_ns": ', b"event: end\n", b"event: reset\n"


class _Stream:
    __slots__ = ("has_begun", "has_ended", "last", "rest", "socket")

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.socket.setblocking(False)
        self.rest = b""
        self.last = 0
        self.has_begun = self.has_ended = False


@dataclass(slots=True)
class Counts:
    """What came in, of all streams together.

    Attributes:
        received: Events.
        lost: Numbers that were passed over.
        doubled: Events with a number that was there before, or out of order.
        resets: Events that say that others can not be told any more.
        broken: Streams that ended without their last event.
    """

    received: int = 0
    lost: int = 0
    doubled: int = 0
    resets: int = 0
    broken: int = 0


class Client:
    """What the runner can ask for; the answers are JSON."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._streams: dict[int, _Stream] = {}
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._counts = Counts()
        self._waits_ns, self._sent_ns = array("Q"), array("Q")
        self._last_at_ns = self._first_end_ns = 0
        self._begun = 0

    def open(self, port: int, paths: Sequence[str], count: int, within_s: float) -> dict[str, Any]:
        """Open *count* streams, spread over *paths*, each until its first event is there."""
        began_s = time.monotonic()
        self._begin_anew()
        for number in range(count):
            stream = _Stream(port, paths[number % len(paths)])
            self._streams[stream.socket.fileno()] = stream
            self._poll.register(stream.socket, select.EPOLLIN)
            while number - self._begun >= _OPENING:
                self._take_before(began_s + within_s)
        while self._begun < count:
            self._take_before(began_s + within_s)
        return {"took_s": time.monotonic() - began_s}

    def follow(self, each: int, within_s: float) -> dict[str, Any]:
        """Read the open streams until all have ended, or the time is over.

        Args:
            each: How many events a stream has.
        """
        began_s, processor_s, expected = time.monotonic(), time.process_time(), self._expected(each)
        while self._streams and time.monotonic() < began_s + within_s:
            self._take()
        counts = self._counts
        for stream in [*self._streams.values()]:
            counts.lost += each - stream.last
            self._close(stream)
        answer = {
            **asdict(counts),
            "expected": expected,
            "client_s": time.process_time() - processor_s,
        }
        return {**answer, **self._times()}

    def _expected(self, each: int) -> int:
        return each * len(self._streams)

    def _times(self) -> dict[str, float]:
        if not self._waits_ns:
            return {}
        return {
            "p50_ms": percentile(self._waits_ns, 0.5) / 1e6,
            "p99_ms": percentile(self._waits_ns, 0.99) / 1e6,
            "most_ms": max(self._waits_ns) / 1e6,
            "told_s": (max(self._sent_ns) - min(self._sent_ns)) / 1e9,
            "ends_ms": (self._last_at_ns - (self._first_end_ns or self._last_at_ns)) / 1e6,
            "arriving_s": (self._last_at_ns - min(self._sent_ns)) / 1e9,
        }

    def _take_before(self, deadline_s: float) -> None:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{self._begun} of {len(self._streams)} streams have begun")
        self._take()
        if self._counts.broken:
            raise ConnectionError("a stream ended before it began")

    def _take(self) -> None:
        for file, _ in self._poll.poll(_LOOK_EVERY_S):
            stream = self._streams[file]
            try:
                data = stream.socket.recv(_READ_BYTES)
            except BlockingIOError:
                continue
            except ConnectionError:
                data = b""
            if data:
                self._scan(stream, data, time.monotonic_ns())
            if stream.has_ended or not data:
                self._counts.broken += not stream.has_ended
                self._close(stream)

    def _scan(self, stream: _Stream, data: bytes, now_ns: int) -> None:
        """Take the events out of *data*; what is between them is of chunks, or for nobody."""
        whole, end, rest = (stream.rest + data).rpartition(b"\n\n")
        stream.rest = rest
        if not end:
            return
        if not stream.has_begun and not whole.startswith(_BEGIN):
            raise ConnectionError(f"no stream: {whole[:300]!r}")
        stream.has_begun = True
        for part in whole.split(b"\n\n"):
            if (at := part.find(_ID)) >= 0:
                self._note(stream, part, int(part[at + 4 : part.index(b"\n", at)]), now_ns)

    def _note(self, stream: _Stream, part: bytes, number: int, now_ns: int) -> None:
        counts = self._counts
        counts.received += 1
        if number == stream.last + 1:
            self._begun += number == 1
        elif number > stream.last:
            counts.lost += number - stream.last - 1
        else:
            counts.doubled += 1
        stream.last = max(stream.last, number)
        # Both of these show the latest progress again.
        if _END in part:
            stream.has_ended = True
            self._first_end_ns = self._first_end_ns or now_ns
            self._last_at_ns = now_ns
        elif _RESET in part:
            counts.resets += 1
        elif (at := part.find(_SENT)) >= 0:
            sent_ns = int(part[at + len(_SENT) : part.index(b",", at)])
            self._waits_ns.append(now_ns - sent_ns)
            self._sent_ns.append(sent_ns)
            self._last_at_ns = now_ns

    def _close(self, stream: _Stream) -> None:
        del self._streams[stream.socket.fileno()]
        self._poll.unregister(stream.socket)
        stream.socket.close()


def allow_files() -> int:
    """Let this process, and those that it starts, have as many files open as the system allows.

    Returns:
        How many that are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def main() -> None:
    """Answer the runner until it closes its end."""
    allow_files()
    client = Client()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(client, request.pop("act"))(**request)
        except (OSError, TimeoutError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
