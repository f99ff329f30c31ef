"""The end of a worker on our Redis transport: in order, and in time.

On SIGTERM Celery waits for running tasks without an end. What it calls soft shutdown has an end,
but sleeps until then while nothing is acknowledged, and needs a pool that can end a task. Here
the warm shutdown gets a deadline, in every pool.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from celery import signals

from flask_celeriac.transport.redis.keeper import start_native_thread

logger = logging.getLogger(__name__)


class Farewell:
    """Ends a worker whose tasks do not end within `worker_soft_shutdown_timeout`.

    Args:
        worker: Celery's.
        give_back: Gives back all claims; called from a native thread. False: it has left already.
    """

    def __init__(self, worker: Any, give_back: Callable[[], bool]) -> None:
        self._worker = worker
        self._give_back = give_back
        self._limit_s = float(worker.app.conf.worker_soft_shutdown_timeout or 0)
        self._is_counting = False
        signals.worker_shutting_down.connect(self._on_shutting_down)

    def forget(self) -> None:
        """Do nothing any more; safe to repeat."""
        signals.worker_shutting_down.disconnect(self._on_shutting_down)

    def _on_shutting_down(self, how: str = "", **_: Any) -> None:
        """Runs in a signal handler."""
        # A limit of 0 asks for Celery's way, and a cold shutdown has had its time.
        if how == "Warm" and self._limit_s > 0 and not self._is_counting:
            self._is_counting = True
            start_native_thread(self._end_in_time)

    def _end_in_time(self) -> None:
        time.sleep(self._limit_s)
        if not self._give_back():
            return
        _kill_pool(self._worker)
        logging.shutdown()
        # Nothing else ends a thread that computes.
        os._exit(0)


def _kill_pool(worker: Any) -> None:
    """End the processes of a prefork pool; on Linux they end with their parent anyway."""
    for process in getattr(getattr(worker.pool, "_pool", None), "_pool", None) or ():
        with contextlib.suppress(AttributeError, OSError, TypeError):
            os.kill(process.pid, signal.SIGKILL)
