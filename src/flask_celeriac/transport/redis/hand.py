"""What a process has taken and not begun: short work enough for a moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic

from .replies import Delivery

_MOST = 200
_SHORTEST_RUN_S = 1e-4
# Of the newest run in the average: a longer one than before counts more than a shorter one.
_LONGER, _SHORTER = 0.5, 0.1


class Hand:
    """Messages that wait in a process for its slots.

    As many as keep the slots busy for a moment, so that short tasks do not wait for a round trip
    each, and none where tasks are long: there they would wait while another worker is free.

    Args:
        ahead_s: Seconds of work to have; 0: none.

    Attributes:
        ahead_s: The same.
    """

    def __init__(self, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self._waiting: deque[Delivery] = deque()
        self._run_s = float("inf")
        self._is_withheld = False
        self._slots = 0
        self._moved_s = monotonic()

    def __len__(self) -> int:
        """How many messages there are."""
        return len(self._waiting)

    @property
    def numbers(self) -> frozenset[int]:
        """Of their claims."""
        return frozenset(delivery.number for delivery in tuple(self._waiting))

    @property
    def queues(self) -> frozenset[str]:
        """Where they came from."""
        return frozenset(delivery.queue for delivery in tuple(self._waiting))

    @property
    def still_s(self) -> float:
        """Seconds since a message came or was taken."""
        return monotonic() - self._moved_s

    @property
    def excess(self) -> int:
        """How many messages are here beyond those that should be, by what is known by now."""
        return max(len(self._waiting) - self.wanted(self._slots), 0)

    def note_run(self, seconds: float) -> None:
        """Count how long a task ran."""
        known_s = self._run_s
        weight = _LONGER if seconds > known_s else _SHORTER
        is_first = known_s == float("inf")
        self._run_s = seconds if is_first else known_s + weight * (seconds - known_s)
        self._is_withheld = False

    def wanted(self, slots: int) -> int:
        """Return how many messages should be here beside the ones that run."""
        self._slots = slots
        if not self.ahead_s or self._is_withheld:
            return 0
        turns = self.ahead_s / max(self._run_s, _SHORTEST_RUN_S)
        return min(max(int(slots * (turns - 1)), 0), _MOST)

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Add messages behind the others."""
        self._waiting.extend(deliveries)
        self._moved_s = monotonic()

    def put_back(self, deliveries: Iterable[Delivery]) -> None:
        """Add messages before the others, in their order."""
        self._waiting.extendleft(reversed(list(deliveries)))

    def take(self) -> Delivery | None:
        """Take the first message; None when there is none."""
        self._moved_s = monotonic()
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def take_last(self, count: int) -> list[Delivery]:
        """Take up to *count* messages from the end, in their order."""
        taken: deque[Delivery] = deque()
        while len(taken) < count:
            try:
                taken.appendleft(self._waiting.pop())
            except IndexError:  # another thread was quicker
                break
        return list(taken)

    def withhold(self) -> None:
        """Want none until a task has ended: what runs takes longer than was thought."""
        self._is_withheld = True
