"""How a thread waits: for one result, or for each of many."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import ResultSet
from redis.exceptions import RedisError

from .registry import Registry
from .watch import Waiter, Watch

OnMessage = Callable[[dict[str, Any]], object] | None
OnInterval = Callable[[], object] | None

#: Seconds between two calls of `on_interval`, as in Celery.
_INTERVAL_S = 1.0
#: A wait that is shorter than the way to the server and back reads the key before it begins.
_SHORT_S = 0.25
#: Seconds between two looks at the key where nobody can listen: while the interpreter ends.
_POLL_S = 0.1


class Wait:
    """One thread's wait for some results.

    Args:
        registry: Of this process.
        results: Result objects, not sets of them.
        timeout_s: Seconds from now, 0 or more; None: without end.
        on_message: Called in this thread with each meta that comes in.
        on_interval: Called in this thread about once a second.
    """

    def __init__(
        self,
        registry: Registry,
        results: Iterable[Any],
        *,
        timeout_s: float | None,
        on_message: OnMessage = None,
        on_interval: OnInterval = None,
    ) -> None:
        self._registry = registry
        self._results = {id(result): result for result in results}
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._on_message = on_message
        self._on_interval = on_interval
        self._waiter = Waiter()

    def each(self) -> Iterator[Any]:
        """Give each result when it is there.

        Raises:
            celery.exceptions.TimeoutError: Some were not there in time.
        """
        with self._holding() as missing:
            self._look_first(missing)
            self._lead(missing)
            while missing:
                for watch in self._waiter.wait(self._pause_s()):
                    watch.take(self._on_message)
                    if watch.is_ready and missing.pop(id(watch.result), None) is not None:
                        yield watch.result
                if missing:
                    self._tick(missing)

    @contextmanager
    def _holding(self) -> Iterator[dict[int, Watch]]:
        """Be woken for each of the results; afterwards nothing is left of that."""
        watches = {name: self._registry.hold(result) for name, result in self._results.items()}
        for watch in watches.values():
            watch.attach(self._waiter)
        try:
            yield dict(watches)
        finally:
            for watch in watches.values():
                watch.detach(self._waiter)
                self._registry.release(watch.result)

    def _lead(self, missing: dict[int, Watch]) -> None:
        """Listen for a moment where a single result may come soon."""
        if any(watch.is_led for watch in missing.values()):
            self._registry.listener.lead(self._waiter, self._pause_s())

    def _look_first(self, missing: dict[int, Watch]) -> None:
        is_short = self._timeout_s is not None and self._timeout_s < _SHORT_S
        if is_short and not all(watch.is_ready for watch in missing.values()):
            self._read(missing)

    def _tick(self, missing: dict[int, Watch]) -> None:
        """What is to be done when nothing came."""
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise CeleryTimeoutError("The operation timed out.")
        if not self._registry.listener.is_running:
            self._read(missing)
        if self._on_interval is not None:
            self._on_interval()

    def _read(self, missing: dict[int, Watch]) -> None:
        """Look at the keys. A server that is away is no error: the wait goes on."""
        try:
            self._registry.listener.read(missing.values())
        except (RedisError, OSError):
            return

    def _pause_s(self) -> float:
        longest_s = _INTERVAL_S if self._registry.listener.is_running else _POLL_S
        if self._deadline is None:
            return longest_s
        return max(0.0, min(longest_s, self._deadline - time.monotonic()))


def each_of_set(nodes: Iterable[Any], wait_for: Callable[[list[Any]], Wait]) -> Iterator[Any]:
    """Give each member of a set of results when it is there; a set among them, when it is whole.

    Args:
        nodes: Results and sets of results.
        wait_for: Makes the wait for those that are not there.
    """
    owners: dict[int, list[Any]] = defaultdict(list)
    missing: dict[int, int] = {}
    leaves: list[Any] = []
    for node in nodes:
        own = [leaf for leaf in _leaves_of(node) if not leaf._cache]
        if not own:
            yield node
        missing[id(node)] = len(own)
        for leaf in own:
            owners[id(leaf)].append(node)
        leaves.extend(own)
    for leaf in wait_for(leaves).each() if leaves else ():
        for node in owners[id(leaf)]:
            missing[id(node)] -= 1
            if missing[id(node)] == 0:
                yield node


def _leaves_of(node: Any) -> Iterator[Any]:
    if isinstance(node, ResultSet):
        for member in node.results or ():
            yield from _leaves_of(member)
    else:
        yield node
