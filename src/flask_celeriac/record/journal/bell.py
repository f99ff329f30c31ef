"""What rings for one who waits for a task, and brings what is told of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from celery import states

from flask_celeriac.record.ear import Ear
from flask_celeriac.record.watch import Waiter

from .facts import Event, Heard

#: Events that are kept for one who is slow; whoever is slower has to look.
_MOST_EVENTS = 16


class PushedBell:
    """Rings for what one process is told by Redis; see `Bell`.

    Args:
        meta: The channel of the task's result.
        events: The channel of its events.
        decode: Makes a meta of what is stored.
    """

    def __init__(
        self, meta: bytes, events: bytes, decode: Callable[[bytes], Mapping[str, Any]]
    ) -> None:
        self._waiter, self._decode = Waiter(), decode
        # Of several states the last one holds.
        self._meta = Ear(meta, self._waiter, 1)
        self._events = Ear(events, self._waiter, _MOST_EVENTS)
        self.ears = (self._meta, self._events)

    def wait(self, timeout_s: float) -> bool:
        """See `Bell`."""
        return bool(self._waiter.wait(timeout_s))

    def told(self) -> Heard:
        """See `Bell`."""
        metas, events = self._meta.take(), self._events.take()
        if metas is None or events is None:
            return Heard()
        # Of the end alone no event tells.
        has_ended = any(self._decode(meta)["status"] in states.READY_STATES for meta in metas)
        return Heard([_event_in(message) for message in events], is_all=not has_ended)


def _event_in(message: bytes) -> Event:
    """Read what `tell` in events.lua publishes."""
    number, kind, data = message.decode().split(" ", 2)
    told_kind: Any = kind
    return Event(int(number), told_kind, json.loads(data))
