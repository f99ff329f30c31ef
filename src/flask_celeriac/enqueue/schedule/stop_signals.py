"""The signals that end beat, while its schedule is being set up and after.

Celery's handler asks its service for the scheduler, to close it. The service keeps a scheduler only
once it is made, so a handler that interrupts the making makes a second one inside the first: from
modules that are half imported, which ends beat with an error, and on a file that is open already.
One that has a single holder at a time (gdbm) then counts as corrupt, and Celery removes it.

The handler then raises `SystemExit` wherever the program happens to be. Python drops an exception
in a `__del__`, and beat would go on with a closed schedule.

Source: `celery.apps.beat.Beat.install_sync_handler` and `celery.beat.Service.scheduler`, 5.7.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Celery's handler for one certain scheduler, with patience and a memory."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._is_held = False
        self._has_come = False
        #: Whether the scheduler was closed, by whomever.
        self.is_closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Take the place of Celery's handlers; what comes in the block waits for its end.

        The handlers of others stay, and all of them outside of the main thread.

        Raises:
            SystemExit: A signal came. The block ran to its end, and the scheduler is closed.
        """
        self._is_held = True
        if threading.current_thread() is threading.main_thread():
            for number in _NUMBERS:
                self._replace(number)
        try:
            yield
        finally:
            self._is_held = False
        self.obey()

    def obey(self) -> None:
        """Close the scheduler and end beat if a signal came; also if that was dropped before.

        Raises:
            SystemExit: A signal came; the scheduler is closed.
        """
        if self._has_come:
            self._close()
            raise SystemExit

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._has_come = True
        if not self._is_held:
            self.obey()

    def _replace(self, number: signal.Signals) -> None:
        handler: Any = signal.getsignal(number)
        if isinstance(handler, StopSignals):
            # Celery's handler made that scheduler only to close it, and its `SystemExit` was lost.
            self._has_come |= handler.is_closed
        elif getattr(handler, "__module__", "") != "celery.apps.beat":
            return
        signal.signal(number, self)
