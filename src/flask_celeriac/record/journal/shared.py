"""One answer for all who ask the same at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any


class _Answer:
    """What one asks and others wait for.

    Attributes:
        is_there: Set when whoever asks is done; without `value` it had no success.
    """

    __slots__ = ("is_there", "value")

    def __init__(self) -> None:
        self.is_there = threading.Event()
        self.value: Any = None


class Shared:
    """Lets those who come before a question is put share its answer; it is never older than they.

    Many who watch one task are woken by the same event, and then wait for their turn to ask.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unasked: dict[Hashable, _Answer] = {}

    def ask(self, key: Hashable, ask: Callable[[Callable[[], None]], Any]) -> Any:
        """Return what *ask* returns, here or for another who wants the same; never None.

        Args:
            key: Of the question.
            ask: Gets a function that it calls right before it puts the question.

        Raises:
            Exception: What *ask* raised. Others are not told of that: they ask themselves.
        """
        while True:
            answer, is_ours = self._join(key)
            if is_ours:
                return self._asked(key, answer, ask)
            answer.is_there.wait()
            if answer.value is not None:
                return answer.value

    def _join(self, key: Hashable) -> tuple[_Answer, bool]:
        with self._lock:
            if key in self._unasked:
                return self._unasked[key], False
            answer = self._unasked[key] = _Answer()
            return answer, True

    def _asked(
        self, key: Hashable, answer: _Answer, ask: Callable[[Callable[[], None]], Any]
    ) -> Any:
        def begin() -> None:
            with self._lock:
                if self._unasked.get(key) is answer:
                    del self._unasked[key]

        try:
            answer.value = ask(begin)
            return answer.value
        finally:
            begin()
            answer.is_there.set()
