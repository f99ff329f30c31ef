"""The scheduler class that beat runs."""

from __future__ import annotations

import atexit
import logging
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery.beat import SchedulingError

from flask_celeriac.health.attach import state_dir_of
from flask_celeriac.health.heartbeat import Heartbeat
from flask_celeriac.health.state_file import StateFile, named_folder
from flask_celeriac.transport.probe import bounded_connection

from .stop_signals import StopSignals
from .tolerant import ClockTolerantScheduler
from .unknown import unknown_entries

logger = logging.getLogger(__name__)


class Scheduler(ClockTolerantScheduler):
    """Keeps beat's state file, and warns once, at start, of entries that name an unknown task."""

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        self._heartbeat: Heartbeat | None = None
        self._started_s = time.monotonic()
        self._look_s: float | None = None
        self._failure = ""
        self._sending = ""
        self._stop_signals = StopSignals(self.close)
        super().__init__(app, *args, **kwargs)

    def setup_schedule(self) -> None:
        """As in Celery, without interruption; then look for wrong entries, and begin to beat.

        Raises:
            SystemExit: Beat was told to end meanwhile; the schedule is stored and closed.
        """
        with self._stop_signals.held():
            super().setup_schedule()
            self._warn_of_unknown()
            self._begin_heartbeat()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send at most one due entry; a tick after which the broker answers is a look for work."""
        self._stop_signals.obey()
        delay_s = super().tick(*args, **kwargs)
        if self._failure and self._is_broker_back():
            self._failure = ""
        if not self._failure:
            self._look_s = time.monotonic()
        return delay_s

    def close(self) -> None:
        """Store the schedule, and end the heartbeat; safe to repeat."""
        self._stop_signals.is_closed = True
        self._end_heartbeat()
        super().close()

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """As in Celery: send, and log what fails."""
        super().apply_entry(entry, producer=producer)
        self._sending = ""

    def reserve(self, entry: Any) -> Any:
        """As in Celery: write down that the entry runs now."""
        self._sending = entry.name
        return super().reserve(entry)

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> Any:
        """As in Celery; that it failed is remembered until the broker answers."""
        try:
            result = super().apply_async(entry, *args, **kwargs)
        except SchedulingError:
            self._failure = f"entry {entry.name!r} was not sent, and the broker does not answer"
            raise
        self._failure = ""
        return result

    def _is_broker_back(self) -> bool:
        connection: Any = bounded_connection(self.app)
        try:
            connection.connect()
        except (*connection.connection_errors, OSError):
            return False
        finally:
            with suppress(Exception):
                connection.release()
        return True

    def _warn_of_unknown(self) -> None:
        if unknown := unknown_entries(self.app):
            logger.warning(
                "beat_schedule: %s. Such messages are sent, but a worker with this code "
                "refuses them.",
                "; ".join(map(str, unknown)),
            )

    def _begin_heartbeat(self) -> None:
        try:
            file = StateFile("beat", named_folder(state_dir_of(self.app)))
            heartbeat = Heartbeat(file, self._facts)
            heartbeat.start()
        except OSError as error:
            logger.warning("No state file, so health probes will fail: %s", error)
            return
        self._heartbeat = heartbeat
        atexit.register(self._end_heartbeat)

    def _end_heartbeat(self) -> None:
        atexit.unregister(self._end_heartbeat)
        if self._heartbeat:
            self._heartbeat.stop()

    def _facts(self) -> Mapping[str, Any]:
        sending = self._sending and f"still sending entry {self._sending!r}"
        return {
            "name": f"beat@{socket.gethostname()}",
            "state": "running",
            "started_s": self._started_s,
            "look_s": self._look_s,
            "why": self._failure or sending,
        }
