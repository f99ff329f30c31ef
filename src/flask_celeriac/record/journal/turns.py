"""Who may ask the server now, of many who were woken at once."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from types import TracebackType


class Turns:
    """Lets a few ask at a time, in the order in which they came; as many connections are enough.

    Whoever is done hands its place to who has waited longest. Were the place only free, who comes
    at that moment would take it, and of many some would wait for seconds.

    Args:
        most: Who ask at a time.
        patience_s: Seconds without an answer to anybody after which those who wait for their turn
            give up. A long queue is none of their reasons.

    Raises:
        TimeoutError: On entry: the server does not answer. Nothing was asked.
    """

    def __init__(self, most: int, patience_s: float) -> None:
        self._most, self._patience_s = most, patience_s
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._free = self._most
        # Each is released when it has a place.
        self._queue: deque[threading.Lock] = deque()
        self._answered_at_s = 0.0

    def __enter__(self) -> None:
        if self._pid != os.getpid():
            # A fork may have copied it at any moment, taken by threads that are not there.
            self._begin()
        turn = self._turn()
        if turn is not None and not self._has_come(turn):
            raise TimeoutError(f"no answer to {self._most} others for {self._patience_s:g} s")

    def _has_come(self, turn: threading.Lock) -> bool:
        """Wait for a turn; False after patience. Whatever else ends this takes no place."""
        try:
            while not turn.acquire(timeout=self._patience_s):
                is_hopeless = time.monotonic() - self._answered_at_s > self._patience_s
                if is_hopeless and self._has_left(turn):
                    return False
        except BaseException:
            if not self._has_left(turn):
                self._hand_on()
            raise
        return True

    def _turn(self) -> threading.Lock | None:
        """Take a free place, or a place in the queue."""
        with self._lock:
            if self._free:
                self._free -= 1
                return None
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
            return turn

    def _has_left(self, turn: threading.Lock) -> bool:
        """Leave the queue; not who has been given a place meanwhile."""
        with self._lock:
            try:
                self._queue.remove(turn)
            except ValueError:
                return False
            return True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._answered_at_s = time.monotonic()
        self._hand_on()

    def _hand_on(self) -> None:
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._free += 1
