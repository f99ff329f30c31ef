"""Between whoever listens, and brings what was published, and those who wait for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any


class Waiter:
    """One thread or greenlet that waits, for one result or for many."""

    __slots__ = ("_event", "_rung")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._rung: deque[Any] = deque()

    @property
    def is_rung(self) -> bool:
        """Whether `wait` would return at once."""
        return bool(self._rung)

    def ring(self, watch: Any) -> None:
        """Say that there is something new in *watch*; from any thread, never waits."""
        self._rung.append(watch)
        self._event.set()

    def wait(self, timeout_s: float) -> list[Any]:
        """Wait until something is new; return where, empty after *timeout_s*."""
        self._event.wait(timeout_s)
        self._event.clear()
        rung = []
        while self._rung:
            rung.append(self._rung.popleft())
        return rung


class Watch:
    """One result object that somebody waits for, by `get` or by `then`.

    Args:
        key: Of the result; also the channel.
        result: Kept alive as long as somebody waits.
        decode: Makes a meta of what is stored.
        on_unattended: Called with the watch when something came in and nobody waits in a `get`.
    """

    __slots__ = (
        "__weakref__",
        "_decode",
        "_inbox",
        "_last",
        "_lock",
        "_on_unattended",
        "_waiters",
        "has_heard",
        "holders",
        "is_led",
        "is_over",
        "key",
        "new_until_s",
        "result",
    )

    def __init__(
        self,
        key: bytes,
        result: Any,
        decode: Callable[[bytes], dict[str, Any]],
        on_unattended: Callable[[Watch], None],
    ) -> None:
        self.key = key
        self.result = result
        #: How many `get` and `then` want it; guarded by the lock of their registry.
        self.holders = 0
        #: Whether nobody waits any more, so that the listener is to forget it.
        self.is_over = False
        #: Whether who waits calls `Listener.lead` next, so that nobody else need be called.
        self.is_led = False
        #: Whether anything was published since the listener listens; it is the listener's.
        self.has_heard = False
        #: Until when its task is too new to have a result, in seconds of the monotonic clock.
        self.new_until_s = 0.0
        self._decode = decode
        self._on_unattended = on_unattended
        self._inbox: deque[bytes] = deque()
        self._last: bytes | None = None
        # Reentrant: a callback of the result may ask for the result again.
        self._lock = threading.RLock()
        self._waiters: tuple[Waiter, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the result is there and its callbacks were called."""
        return bool(self.result.on_ready.ready or self.result._cache)

    def deliver(self, value: bytes) -> None:
        """Hand over what was published."""
        self.has_heard = True
        self._put(value)

    def deliver_read(self, value: bytes | None) -> None:
        """Hand over what was read, if anything was there that was not published before."""
        if value is not None and value != self._last:
            self._put(value)

    def _put(self, value: bytes) -> None:
        self._last = value
        self._inbox.append(value)
        self.ring()

    def ring(self) -> None:
        """Wake who waits."""
        waiters = self._waiters
        for waiter in waiters:
            waiter.ring(self)
        if not waiters and self._inbox:
            self._on_unattended(self)

    def attach(self, waiter: Waiter) -> None:
        """Let *waiter* be woken, at once if something is there already."""
        with self._lock:
            self._waiters = (*self._waiters, waiter)
        if self._inbox or self.is_ready:
            waiter.ring(self)

    def detach(self, waiter: Waiter) -> None:
        """End what `attach` began; what came meanwhile is for those who remain."""
        with self._lock:
            self._waiters = tuple(other for other in self._waiters if other is not waiter)
        if self._inbox and not self.is_ready:
            self.ring()

    def take(self, on_message: Callable[[dict[str, Any]], object] | None = None) -> None:
        """Give the result what came in; its callbacks are called here."""
        with self._lock:
            while self._inbox:
                self._take(self._inbox.popleft(), on_message)

    def take_unattended(self) -> None:
        """The same where nobody waits; what can not be read is left to who waits next.

        Raises:
            Exception: What was raised last, by reading or by a callback of the result.
        """
        left: list[bytes] = []
        failure: Exception | None = None
        with self._lock:
            while self._inbox:
                value = self._inbox.popleft()
                try:
                    self._take(value, None)
                except Exception as error:
                    left.append(value)
                    failure = error
            self._inbox.extend(left)
        if failure is not None:
            raise failure

    def _take(self, value: bytes, on_message: Callable[[dict[str, Any]], object] | None) -> None:
        if self.is_ready:
            return
        meta = self._decode(value)
        if on_message is not None:
            on_message(meta)
        self.result._maybe_set_cache(meta)
