"""The one thread of a process that listens for results, on behalf of all who wait.

Only this thread touches the connection and the table of who waits for what. Others leave a note and
ring. What it brings is put into the inbox of each `Watch`; decoding is done by those who wait.

No result is missed: a key is read once after its subscription is confirmed, and all keys are read
again after a connection was lost.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from celery.utils.log import get_logger

from flask_celeriac.wake import Wake

from .ear import Heard
from .subscription import Subscription

logger = get_logger(__name__)

#: Seconds between looks at who has gone, while somebody waits.
TICK_S = 1.0
#: Seconds without anybody who waits, after which the connection is closed and the thread ends.
IDLE_S = 60.0
_LONGEST_PAUSE_S = 1.0
# After so long the key of a task that was new is read, in case it was quicker than thought.
_LOOK_AFTER_S = 0.001
_KEYS_A_READ = 500
_MOST_STALE = 100


class Listener:
    """Listens for one process on one server; the thread starts when somebody waits.

    Args:
        client: Of this listener alone; its sockets must have time limits.
    """

    def __init__(self, client: Any) -> None:
        self.pid = os.getpid()
        self._client = client
        self._lock = threading.Lock()
        self._notes: deque[tuple[bytes, Heard | None]] = deque()
        # Weak: a thread with nothing to do for a minute must not keep apps alive.
        self._watched: dict[bytes, list[weakref.ref[Heard]]] = {}
        self._unread: list[Heard] = []
        # Channels that nobody listens to any more, and that are left together.
        self._stale: set[bytes] = set()
        self._left_at_s = 0.0
        self._losses = 0
        self._wake: Wake | None = None

    @property
    def is_running(self) -> bool:
        """Whether the thread runs; it can not be started while the interpreter ends."""
        return self._wake is not None

    def add(self, watch: Heard) -> None:
        """Bring to *watch* what is stored and what is published from now on; does not wait."""
        self._notes.append((watch.key, watch))
        with self._lock:
            if self._wake is None:
                self._start()
            else:
                self._wake.ring()

    def drop(self, watch: Heard) -> None:
        """End what `add` began; seen within a second. Safe in a finalizer: takes no lock."""
        watch.is_over = True
        self._notes.append((watch.key, None))

    def read(self, watches: Iterable[Heard]) -> None:
        """Bring to each watch what is stored now.

        Raises:
            redis.exceptions.RedisError, OSError: Some may have got it, others not.
        """
        unread = list(watches)
        for start in range(0, len(unread), _KEYS_A_READ):
            part = unread[start : start + _KEYS_A_READ]
            values = self._client.mget([watch.key for watch in part])
            for watch, value in zip(part, values, strict=True):
                watch.deliver_read(value)

    def _start(self) -> None:
        wake = Wake()
        thread = threading.Thread(
            target=self._run, args=(wake,), name="celeriac-results", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends
            wake.close()
        else:
            self._wake = wake

    def _run(self, wake: Wake) -> None:
        while self._is_needed():
            try:
                with contextlib.closing(Subscription(self._client)) as subscription:
                    self._serve(subscription, wake)
            except Exception as error:
                self._pause(error)
        wake.close()
        self._client.connection_pool.disconnect()

    def _is_needed(self) -> bool:
        """Whether to go on; after a no, the next `add` starts another thread."""
        with self._lock:
            self._take_notes()
            if not self._watched:
                self._wake = None
            return bool(self._watched)

    def _serve(self, subscription: Subscription, wake: Wake) -> None:
        """Listen until the connection is lost, or nobody has waited for long."""
        self._begin_anew()
        subscription.change(add=set(self._watched), drop=set())
        needed_at = time.monotonic()
        while self._watched or time.monotonic() - needed_at < IDLE_S:
            has_arrived = subscription.wait(wake, self._pause_s(subscription))
            self._follow(subscription)
            if has_arrived:
                self._bring(subscription)
            if self._unread:
                self._read_due(subscription.confirmed)
            if self._watched:
                needed_at = time.monotonic()
                subscription.check()

    def _begin_anew(self) -> None:
        """All is to be read, since nothing was heard for a while. Keeps no watch in a variable."""
        self._unread = [watch for refs in self._watched.values() for watch in _living(refs)]
        for watch in self._unread:
            watch.has_heard, watch.new_until_s = False, 0.0
        self._stale.clear()

    def _pause_s(self, subscription: Subscription) -> float:
        longest_s = TICK_S if self._watched or self._stale else IDLE_S
        confirmed = subscription.confirmed
        due_s = [
            _due_at_s(each, confirmed[each.key]) for each in self._unread if each.key in confirmed
        ]
        return max(0.0, min(longest_s, min(due_s) - time.monotonic())) if due_s else longest_s

    def _follow(self, subscription: Subscription) -> None:
        """Listen to what is wanted now; what is not is left with others, since it costs as much."""
        came, went = self._take_notes()
        new = came - self._stale
        self._stale = (self._stale - came) | went
        now_s = time.monotonic()
        if len(self._stale) >= _MOST_STALE or now_s - self._left_at_s > TICK_S:
            subscription.change(add=new, drop=self._stale)
            self._stale, self._left_at_s = set(), now_s
        else:
            subscription.change(add=new, drop=set())

    def _take_notes(self) -> tuple[set[bytes], set[bytes]]:
        """Bring the table up to date; return the keys that came and those that went."""
        before: dict[bytes, bool] = {}
        while self._notes:
            key, added = self._notes.popleft()
            before.setdefault(key, key in self._watched)
            watches = _living(self._watched.pop(key, ()))
            if added is not None and not added.is_over:
                watches.append(added)
                self._unread.append(added)
            if watches:
                self._watched[key] = [weakref.ref(watch) for watch in watches]
        came = {key for key, was in before.items() if not was and key in self._watched}
        went = {key for key, was in before.items() if was and key not in self._watched}
        return came, went

    def _bring(self, subscription: Subscription) -> None:
        """Hand out what has come in."""
        for key, message in subscription.arrivals():
            for watch in _living(self._watched.get(key, ())):
                watch.deliver(message)
        if self._losses and subscription.confirmed:
            logger.info("The result server answers again")
            self._losses = 0

    def _read_due(self, confirmed: Mapping[bytes, float]) -> None:
        """Hand out what was stored before it could come in."""
        now_s = time.monotonic()
        due: list[Heard] = []
        later: list[Heard] = []
        for watch in self._unread:
            # What was published since we listen says all that is stored, and what comes as well.
            if watch.key in self._watched and not watch.has_heard:
                confirmed_at_s = confirmed.get(watch.key)
                is_due = confirmed_at_s is not None and _due_at_s(watch, confirmed_at_s) <= now_s
                (due if is_due else later).append(watch)
        self._unread = later
        if due:
            self.read(due)

    def _pause(self, error: Exception) -> None:
        """Wait a little before connecting again, none the first time."""
        self._losses += 1
        if self._losses > 1:
            longest_s = min(_LONGEST_PAUSE_S, 0.02 * 2 ** min(self._losses, 10))
            time.sleep(longest_s * random.uniform(0.5, 1))  # noqa: S311 - only spreads load
        else:
            logger.warning("Lost the connection to the result server: %s", error)


def _due_at_s(watch: Heard, confirmed_at_s: float) -> float:
    """Return when to read what was stored before its channel was listened to."""
    is_new = confirmed_at_s < watch.new_until_s
    return watch.new_until_s + _LOOK_AFTER_S if is_new else confirmed_at_s


def _living(refs: Iterable[weakref.ref[Heard]]) -> list[Heard]:
    """Return those that somebody still waits for."""
    watches = (ref() for ref in refs)
    return [watch for watch in watches if watch is not None and not watch.is_over]
