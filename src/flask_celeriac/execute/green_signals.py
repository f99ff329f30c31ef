"""Signals in a pool of gevent, where a handler may interrupt the hub and must not wait there.

Celery's handlers do: the soft shutdown sleeps, and would end the worker by an error.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)
#: By then a handler has installed those for the next signal.
_INSTALLED_S = 0.1


def defer(worker: Any) -> None:
    """Let the handlers that end *worker* run in greenlets; nothing in other pools."""
    if type(worker.pool).__module__.endswith(".gevent"):
        _defer_all(sys.modules["gevent"])


def _defer_all(gevent: Any) -> None:
    for number in _NUMBERS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Deferred):
            signal.signal(number, _Deferred(gevent, handler))


class _Deferred:
    """A handler that starts another one and returns."""

    def __init__(self, gevent: Any, handler: Callable[[int, FrameType | None], Any]) -> None:
        self._gevent, self._handler = gevent, handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._gevent.spawn(self._handler, number, frame)
        self._gevent.spawn_later(_INSTALLED_S, _defer_all, self._gevent)
