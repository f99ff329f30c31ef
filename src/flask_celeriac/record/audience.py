"""Who waits for what, in one process: the table that is served by whoever listens."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterable, Mapping

from .ear import Heard

# After so long the key of a task that was new is read, in case it was quicker than thought.
_LOOK_AFTER_S = 0.001


class Audience:
    """Used by one thread at a time, but for `note` and `has_notes`.

    It holds nobody: who waits no longer is forgotten, even if he does not say so.
    """

    def __init__(self) -> None:
        self._notes: deque[tuple[bytes, Heard | None]] = deque()
        # Weak: a thread with nothing to do for a minute must not keep apps alive.
        self._watched: dict[bytes, list[weakref.ref[Heard]]] = {}
        self._unread: list[weakref.ref[Heard]] = []
        self._size = 0

    def __len__(self) -> int:
        """Return how many there were when the notes were taken."""
        return self._size

    @property
    def keys(self) -> set[bytes]:
        """What is waited for."""
        return set(self._watched)

    @property
    def has_notes(self) -> bool:
        """Whether anybody came or went since the notes were taken."""
        return bool(self._notes)

    def note(self, key: bytes, heard: Heard | None) -> None:
        """Say that *heard* waits for *key*; None: that somebody does no longer. Takes no lock."""
        self._notes.append((key, heard))

    def take_notes(self) -> tuple[set[bytes], set[bytes]]:
        """Bring the table up to date; return the keys that came and those that went."""
        before: dict[bytes, bool] = {}
        while self._notes:
            key, added = self._notes.popleft()
            before.setdefault(key, key in self._watched)
            refs = self._watched.pop(key, [])
            watches = _living(refs)
            if added is not None and not added.is_over:
                watches.append(added)
                self._unread.append(weakref.ref(added))
            if watches:
                self._watched[key] = [weakref.ref(watch) for watch in watches]
            self._size += len(watches) - len(refs)
        if before:
            # Who leads, one after the other, takes nobody who is due.
            self._unread = [weakref.ref(watch) for watch in self._living_unread()]
        came = {key for key, was in before.items() if not was and key in self._watched}
        went = {key for key, was in before.items() if was and key not in self._watched}
        return came, went

    def hand_out(self, key: bytes, message: bytes) -> None:
        """Bring what was published to all who wait for it."""
        for watch in _living(self._watched.get(key, ())):
            watch.deliver(message)

    def begin_anew(self) -> None:
        """All is to be read, since nothing was heard for a while."""
        self._unread = [ref for refs in self._watched.values() for ref in refs]
        for watch in _living(self._unread):
            watch.has_heard, watch.new_until_s = False, 0.0

    def due_at_s(self, confirmed: Mapping[bytes, float]) -> float | None:
        """Return when the first is to be read, in seconds of the monotonic clock; None: no one."""
        due_s = [
            _due_at_s(each, confirmed[each.key])
            for each in self._living_unread()
            if each.key in confirmed
        ]
        return min(due_s) if due_s else None

    def take_due(self, confirmed: Mapping[bytes, float], now_s: float) -> list[Heard]:
        """Return whom what was stored before it could come in is to be brought to, once.

        Args:
            confirmed: Channels of which no message is missed, and since when.
            now_s: The time on the monotonic clock.
        """
        due: list[Heard] = []
        later: list[weakref.ref[Heard]] = []
        for watch in self._living_unread():
            confirmed_at_s = confirmed.get(watch.key)
            if confirmed_at_s is not None and _due_at_s(watch, confirmed_at_s) <= now_s:
                due.append(watch)
            else:
                later.append(weakref.ref(watch))
        self._unread = later
        return due

    def _living_unread(self) -> list[Heard]:
        """Return who has heard nothing; what was published says all that is stored, and more."""
        return [watch for watch in _living(self._unread) if not watch.has_heard]


def _due_at_s(watch: Heard, confirmed_at_s: float) -> float:
    """Return when to read what was stored before its channel was listened to."""
    is_new = confirmed_at_s < watch.new_until_s
    return watch.new_until_s + _LOOK_AFTER_S if is_new else confirmed_at_s


def _living(refs: Iterable[weakref.ref[Heard]]) -> list[Heard]:
    """Return those that somebody still waits for."""
    watches = (ref() for ref in refs)
    return [watch for watch in watches if watch is not None and not watch.is_over]
