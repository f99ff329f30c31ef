"""How many streams are open in this process, of each application."""

from __future__ import annotations

import threading
import weakref
from typing import Any

_slots: weakref.WeakKeyDictionary[Any, Slots] = weakref.WeakKeyDictionary()
_making = threading.Lock()


class Slots:
    """Counts what is open; safe from all threads."""

    def __init__(self) -> None:
        # Reentrant: the garbage collector may give a slot back wherever this thread is.
        self._lock = threading.RLock()
        self.taken = 0

    def take(self, most: int) -> Slot | None:
        """Return a slot, to be given back; None where *most* are taken."""
        with self._lock:
            if self.taken >= most:
                return None
            self.taken += 1
            return Slot(self)

    def give_back(self) -> None:
        """Let another take the place of one."""
        with self._lock:
            self.taken -= 1


class Slot:
    """One that is taken, until `free`, or until nobody has it any more."""

    __slots__ = ("_slots",)

    def __init__(self, slots: Slots) -> None:
        self._slots: Slots | None = slots

    def free(self) -> None:
        """Give it back; safe to repeat."""
        slots, self._slots = self._slots, None
        if slots is not None:
            slots.give_back()

    # A server that is given an answer and never begins to send it may not close it either.
    __del__ = free


def slots_of(app: Any) -> Slots:
    """Return the slots of a Flask app in this process."""
    with _making:
        return _slots.setdefault(app, Slots())
