"""Celery's pool of threads, without a future for each task: nobody asks for one.

`OwnPools` puts it in the place of Celery's own.
"""

from __future__ import annotations

import atexit
import logging
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from celery.concurrency import thread
from celery.concurrency.base import apply_target

from .request import ClaimEndedError

_Work = tuple[Any, ...]

_Celerys: Any = thread.TaskPool

logger = logging.getLogger(__name__)


class TaskPool(_Celerys):  # type: ignore[misc]
    """As Celery's: threads come when there is work, and stay."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads: list[Thread] = []

    def on_apply(
        self,
        target: Any,
        args: Any = None,
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Any = None,
        **_: Any,
    ) -> None:
        """Let a thread run *target*; there is nothing to wait for."""
        self._work.put((target, args, kwargs, callback, accept_callback))
        if len(self._threads) < self.limit:
            self._start_thread()

    def on_stop(self) -> None:
        """Begin nothing more, and wait for what runs."""
        atexit.unregister(self.on_stop)
        with suppress(Empty):
            while True:
                self._work.get_nowait()
        for _thread in self._threads:
            self._work.put(None)
        for each in self._threads:
            each.join()
        self._threads.clear()
        super().on_stop()

    def _start_thread(self) -> None:
        if not self._threads:
            # A worker that ends without stopping its pool waits for its tasks all the same.
            atexit.register(self.on_stop)
        started = Thread(target=self._run, name=f"celeriac-task-{len(self._threads)}", daemon=True)
        self._threads.append(started)
        started.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                apply_target(*work)
            except ClaimEndedError:
                pass  # others have the message
            except BaseException:
                # As in a future that nobody asks: the next task must run.
                logger.exception("A task's end could not be dealt with.")
            del work

    def _get_info(self) -> Any:
        info: Any = super()._get_info()
        info["threads"] = len(self._threads)
        return info
