"""Settings of Celery that are looked at for each message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = ("task_always_eager", "task_send_sent_event", "task_default_queue")


class LiveSettings:
    """The settings of :data:`NAMES`, which an application or a test may change at any time.

    Celery looks for each in several places under several names. What is changed in an application
    is in the first of these; the others are read once.

    Args:
        celery: The Celery app; it is configured.
    """

    def __init__(self, celery: Any) -> None:
        self._conf = celery.conf
        self._is_plain = False
        self._size = -1
        self._below: dict[str, Any] = {}

    def __call__(self) -> Mapping[str, Any]:
        """Return them as they are now."""
        changes = self._conf.changes
        if len(changes) != self._size:
            self._read_all(changes)
        if not self._is_plain:
            return {name: self._conf[name] for name in NAMES}
        changed = {name: changes[name] for name in NAMES if name in changes}
        return {**self._below, **changed} if changed else self._below

    def _read_all(self, changes: Any) -> None:
        self._below = {name: self._conf[name] for name in NAMES}
        # Under its old name, in capitals, a setting is not found there.
        self._is_plain = all(name == name.lower() for name in changes)
        self._size = len(changes)
