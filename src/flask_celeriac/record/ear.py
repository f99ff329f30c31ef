"""What listens to one channel for one who waits, whatever is published there."""

from __future__ import annotations

from collections import deque
from typing import Any

from .watch import Waiter, Watch


class Ear:
    """Keeps what is published under *key* until it is taken.

    Args:
        key: The channel.
        waiter: Is rung for each message, and when some may have been missed.
        most: How many messages are kept, the latest.
    """

    def __init__(self, key: bytes, waiter: Waiter, most: int) -> None:
        self.key = key
        self._waiter = waiter
        self._inbox: deque[bytes] = deque(maxlen=most)
        # How often some may have been missed; counted by the listener, compared by who takes.
        self._gaps = self._known_gaps = 0
        self.has_heard = self.is_led = False
        self.is_over = False
        self.new_until_s = 0.0

    def deliver(self, value: bytes) -> None:
        """Keep what was published."""
        self._inbox.append(value)
        self._waiter.ring(self)

    def deliver_read(self, value: Any) -> None:  # noqa: ARG002
        """From now on nothing is missed, but before something may have been."""
        self._gaps += 1
        self._waiter.ring(self)

    def take(self) -> list[bytes] | None:
        """Return what was published since the last call; None: some may have been missed."""
        gaps, messages = self._gaps, []
        while self._inbox:
            messages.append(self._inbox.popleft())
        has_gap, self._known_gaps = gaps != self._known_gaps, gaps
        return None if has_gap else messages


#: What a `Listener` brings things to.
Heard = Watch | Ear
