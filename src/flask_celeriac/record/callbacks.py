"""Where callbacks of results (`then`) are called when nobody waits in a `get`."""

from __future__ import annotations

import threading
from collections import deque

from celery.utils.log import get_logger

from .watch import Watch

logger = get_logger(__name__)


class Callbacks:
    """A thread that lives while there are callbacks to call, one after the other.

    Not the thread that listens: a callback may be slow, or wait for another result.
    """

    def __init__(self) -> None:
        self._todo: deque[Watch] = deque()
        self._lock = threading.RLock()  # reentrant for the sake of finalizers
        self._is_running = False

    def put(self, watch: Watch) -> None:
        """Let the callbacks of *watch* be called soon; never waits for them."""
        self._todo.append(watch)
        with self._lock:
            if self._is_running:
                return
            self._is_running = True
        threading.Thread(target=self._run, name="celeriac-callbacks", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._todo:
                    self._is_running = False
                    return
                watch = self._todo.popleft()
            try:
                watch.take_unattended()
            except Exception:
                logger.exception("A callback of the result of task %s failed", watch.result.id)
