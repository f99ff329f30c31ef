"""Threads of the operating system, also where gevent or eventlet makes threads greenlets.

A task that computes keeps greenlets from running, and must not end a lease or look dead for that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

_END_S = 1.0


class NativeThread:
    """Calls a function once, which rests by :meth:`rest` and returns soon after :meth:`stop`.

    Stop it before the interpreter ends: what wakes up then in greenlet's code, such as the sleep
    and the sockets of gevent, crashes the process. The function must not use locks of `threading`
    that others have.

    Args:
        run: Gets this thread.

    Attributes:
        is_stopping: Whether the function has to return.
    """

    def __init__(self, run: Callable[[NativeThread], None]) -> None:
        self.is_stopping = False
        self._run = run
        self._pid = os.getpid()
        self._ident = 0
        self._module = _unpatched_thread_module()
        self._bell = self._module.allocate_lock()
        self._bell.acquire()
        self._life = self._module.allocate_lock()

    def start(self) -> None:
        """Begin; once only."""
        self._life.acquire()
        self._module.start_new_thread(self._live, ())

    def rest(self, seconds: float) -> bool:
        """Sleep, in the thread itself; return False, and at once, when it has to stop."""
        if not self.is_stopping:
            self._bell.acquire(True, seconds)
        return not self.is_stopping

    def wake(self) -> None:
        """End its rest, or the next one if it has none; safe from any thread."""
        with suppress(RuntimeError):  # it was woken already
            self._bell.release()

    def stop(self) -> None:
        """Let it end, and wait for that for a second; safe to repeat, and in a forked child."""
        self.is_stopping = True
        if self._pid != os.getpid() or self._ident == self._module.get_ident():
            return
        self.wake()
        if self._life.acquire(True, _END_S):
            self._life.release()

    def _live(self) -> None:
        self._ident = self._module.get_ident()
        try:
            self._run(self)
        finally:
            _end_hub()
            self._life.release()


def _unpatched_thread_module() -> Any:
    if monkey := sys.modules.get("gevent.monkey"):
        names = "allocate_lock", "get_ident", "start_new_thread"
        found = ModuleType("_thread")
        vars(found).update(zip(names, monkey.get_original("_thread", names), strict=True))
        return found
    if eventlet := sys.modules.get("eventlet.patcher"):
        return eventlet.original("_thread")
    import _thread

    return _thread


def _end_hub() -> None:
    """Take down what gevent made for this thread when it waited for a socket."""
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("socket"):
        with suppress(Exception):
            sys.modules["gevent"].get_hub().destroy(destroy_loop=True)
