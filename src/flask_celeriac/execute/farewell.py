"""The end of a worker on our Redis transport: in order, and in time.

On SIGTERM Celery waits for running tasks without an end. What it calls soft shutdown, on SIGQUIT,
has an end, but sleeps until then: tasks that end meanwhile are not acknowledged and run again, and
it needs a pool that can end a task. Here both signals mean the same in every pool: no new tasks, an
event loop that goes on until the running ones have ended, and a deadline.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery import signals
from celery.platforms import EX_OK
from celery.worker import state

from flask_celeriac.native_thread import NativeThread
from flask_celeriac.transport.redis.claimant import Claimant

_LOOK_S = 0.1

logger = logging.getLogger(__name__)


class Farewell:
    """Ends a worker whose tasks do not end within `worker_soft_shutdown_timeout`.

    A timeout of 0 asks for Celery's own way.

    Args:
        consumer: Celery's.
        claimant: Is told at once that it leaves.
        give_back: Gives back all claims; called from a native thread. False: it has left already.
    """

    def __init__(self, consumer: Any, claimant: Claimant, give_back: Callable[[], bool]) -> None:
        self._consumer = consumer
        self._claimant = claimant
        self._give_back = give_back
        self._limit_s = float(consumer.app.conf.worker_soft_shutdown_timeout or 0)
        self.has_begun = False
        self._clock = NativeThread(self._end_in_time)
        if self._limit_s > 0:
            _replace_handlers(self.begin)

    def begin(self, name: str) -> None:
        """Begin to end; called by the handler of the signal *name*."""
        if self.has_begun:  # by the other signal
            return
        self.has_begun = True
        # Without an event loop of Celery's, as with gevent, `take_no_more` is called seconds later.
        self._claimant.is_leaving = True
        self._clock.start()
        if not _is_busy():
            _stop()
        else:
            logger.warning("%s: running tasks may end; what takes longer is given back.", name)
            self._consumer.call_soon(self.take_no_more)
        signals.worker_shutting_down.send(
            sender=self._consumer.controller.hostname, sig=name, how="Warm", exitcode=EX_OK
        )

    def take_no_more(self) -> None:
        """Let the event loop go on without new tasks; also after the connection was made anew."""
        with contextlib.suppress(Exception):  # the connection may be lost at this moment
            self._consumer.task_consumer.cancel()
        self._consumer.timer.call_repeatedly(_LOOK_S, _stop_if_done)

    def stop_clock(self) -> None:
        """Say that the worker has ended in time."""
        self._clock.stop()

    def _end_in_time(self, clock: NativeThread) -> None:
        if not clock.rest(self._limit_s) or not self._give_back():
            return
        _kill_pool(self._consumer.controller)
        logging.shutdown()
        # Nothing else ends a thread that computes.
        os._exit(EX_OK)


def _is_busy() -> bool:
    return bool(state.reserved_requests or state.active_requests)


def _stop_if_done() -> None:
    if not _is_busy():
        _stop()


def _stop() -> None:
    state.should_stop = EX_OK  # type: ignore[assignment]


def _kill_pool(worker: Any) -> None:
    """End the processes of a prefork pool; on Linux they end with their parent anyway."""
    for process in getattr(getattr(worker.pool, "_pool", None), "_pool", None) or ():
        with contextlib.suppress(AttributeError, OSError, TypeError):
            os.kill(process.pid, signal.SIGKILL)


def _replace_handlers(begin: Callable[[str], None]) -> None:
    """Let *begin* be called by the first of the signals; the next one is Celery's again."""
    for number in (signal.SIGTERM, signal.SIGQUIT):
        handler = signal.getsignal(number)
        # A worker that is embedded in another program has no handlers.
        if getattr(handler, "__module__", "") == "celery.apps.worker":
            signal.signal(number, _Once(begin, handler))


class _Once:
    """A signal handler that puts the former one back when it is called."""

    def __init__(self, begin: Callable[[str], None], former: Any) -> None:
        self._begin, self._former = begin, former

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        signal.signal(number, self._former)
        self._begin(signal.Signals(number).name)
