"""Who waits for what, in one process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .callbacks import Callbacks
from .listener import Listener
from .shared import shared_listener
from .watch import Watch

# Of a task that was sent so short a time ago, no result is there yet.
_JUST_SENT_S = 0.0005


class Registry:
    """The results that somebody in this process waits for, through one backend.

    A result object has one `Watch`, however many threads wait for it or have given it callbacks;
    the watch goes when the last one has gone, or the result is there.
    """

    def __init__(self, backend: Any) -> None:
        self.pid = os.getpid()
        self.listener: Listener = shared_listener(backend)
        self._callbacks = Callbacks()
        self._key_of: Callable[[str], bytes] = backend.get_key_for_task
        self._decode: Callable[[bytes], dict[str, Any]] = backend.decode_result
        # Reentrant: the garbage collector may end a forgotten wait wherever this thread is.
        self._lock = threading.RLock()
        self._watches: dict[int, Watch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def hold(self, result: Any, *, is_awaited: bool = False) -> Watch:
        """Wait for *result*, until `release` or until it is there.

        Args:
            is_awaited: The caller begins a `Wait` for it next.
        """
        with self._lock:
            watch = self._watches.get(id(result))
            if watch is not None:
                watch.holders += 1
                return watch
            key = self._key_of(result.id)
            watch = Watch(key, result, self._decode, self._callbacks.put)
            watch.holders = 1
            watch.new_until_s = getattr(result, "sent_at_s", 0.0) + _JUST_SENT_S
            watch.is_led = is_awaited and time.monotonic() < watch.new_until_s
            self._watches[id(result)] = watch
        self.listener.add(watch)
        return watch

    def find(self, result: Any) -> Watch | None:
        """Give the watch of *result*, if somebody waits for it."""
        return self._watches.get(id(result))

    def release(self, result: Any) -> None:
        """End one `hold`; nothing if the result has come meanwhile."""
        with self._lock:
            watch = self._watches.get(id(result))
            if watch is None:
                return
            watch.holders -= 1
            if watch.holders > 0:
                return
        self.remove(result)

    def remove(self, result: Any) -> None:
        """Wait for *result* no longer, whoever did. Takes no lock: finalizers come here."""
        watch = self._watches.pop(id(result), None)
        if watch is not None:
            self.listener.drop(watch)
            watch.ring()
