"""Reads server-sent events as a browser does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """What stands between two empty lines.

    Attributes:
        kind: "" of a comment.
    """

    kind: str = ""
    number: int = -1
    data: Any = None
    comment: str = ""


def frames_of(chunks: Iterable[Any]) -> Iterator[Frame]:
    """Give each frame as soon as it is whole."""
    text = ""
    for chunk in chunks:
        text += chunk if isinstance(chunk, str) else chunk.decode()
        *whole, text = text.split("\n\n")
        yield from map(_frame, whole)


def _frame(text: str) -> Frame:
    fields = dict(line.split(": ", 1) for line in text.split("\n"))
    if "event" not in fields:
        return Frame(comment=text)
    return Frame(fields["event"], int(fields["id"]), json.loads(fields["data"]))


class Reading:
    """A thread that reads one stream."""

    def __init__(self, chunks: Iterable[Any], close: Callable[[], None] = lambda: None) -> None:
        self.frames: list[Frame] = []
        self._chunks, self._close = chunks, close
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        # A stream that is cut ends here as well.
        with suppress(OSError):
            for frame in frames_of(self._chunks):
                self.frames.append(frame)

    @property
    def kinds(self) -> list[str]:
        return [frame.kind for frame in self.frames if frame.kind]

    def wait_for(self, count: int, timeout_s: float = 10.0) -> None:
        """Wait until so many events have come."""
        deadline = time.monotonic() + timeout_s
        while len(self.kinds) < count:
            assert time.monotonic() < deadline, self.frames
            time.sleep(0.005)

    def join(self, timeout_s: float = 10.0) -> list[Frame]:
        """Wait for the end of the stream."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), self.frames
        self._close()
        return self.frames
