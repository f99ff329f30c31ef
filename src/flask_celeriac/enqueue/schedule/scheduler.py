"""The scheduler class that beat runs."""

from __future__ import annotations

import atexit
import logging
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, timedelta
from typing import Any, cast

from celery.beat import PersistentScheduler, SchedulingError
from celery.schedules import schedule as interval

from flask_celeriac.health.attach import state_dir_of
from flask_celeriac.health.heartbeat import Heartbeat
from flask_celeriac.health.state_file import StateFile, named_folder
from flask_celeriac.transport.probe import bounded_connection

from .clock import TOLERANCE_S, ClockWatch
from .unknown import unknown_entries

logger = logging.getLogger(__name__)

#: Beat sleeps no longer, so that a probe sees it alive and a changed clock is seen soon.
LONGEST_SLEEP_S = 5


class Scheduler(PersistentScheduler):
    """Celery's persistent scheduler, and three things more.

    It keeps beat's state file; it warns once, at start, of entries that name an unknown task; and
    it lives through a clock that is set back. Then no entry falls silent until the clock catches
    up: an interval goes on as if nothing had happened, and a crontab entry follows the new wall
    time. A time of day that comes a second time is left out where the entry ran less than half
    its period ago (a daily entry does not run twice; one that runs each minute goes on).
    """

    max_interval = LONGEST_SLEEP_S

    #: Replaced in tests.
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        self._heartbeat: Heartbeat | None = None
        self._started_s = time.monotonic()
        self._look_s: float | None = None
        self._failure = ""
        self._sending = ""
        self._is_closed = False
        self._store: Any = None
        #: Monotonic time at which each entry last ran, as far as it matters here.
        self._ran_s: dict[str, float] = {}
        #: Wall time up to which times of day have been before.
        self._repeats_until_s = 0.0
        self._watch = ClockWatch(app.now().timestamp(), self.monotonic())
        super().__init__(app, *args, **kwargs)

    def setup_schedule(self) -> None:
        """As in Celery; then look for what is wrong with the entries, and begin to beat."""
        super().setup_schedule()
        self._forget_the_future()
        if unknown := unknown_entries(self.app):
            logger.warning(
                "beat_schedule: %s. Such messages are sent, but a worker with this code "
                "refuses them.",
                "; ".join(map(str, unknown)),
            )
        self._begin_heartbeat()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send at most one due entry.

        Returns:
            Seconds until the next call, 0.0 to `LONGEST_SLEEP_S`.
        """
        self._follow_clock()
        delay_s = super().tick(*args, **kwargs)
        if self._failure and self._is_broker_back():
            self._failure = ""
        if not self._failure:
            self._look_s = time.monotonic()
        return float(min(delay_s, LONGEST_SLEEP_S))

    def sync(self) -> None:
        """Store the schedule; safe to repeat after `close`.

        Storing drops the entries from memory, and those that are read again have forgotten their
        Celery app: they would ask whatever app is current for the time.
        """
        super().sync()
        if self._store is not None and not self._is_closed:
            for entry in self._entries().values():
                entry.app = entry.schedule.app = self.app

    def close(self) -> None:
        """Store the schedule, and end the heartbeat; safe to repeat."""
        self._end_heartbeat()
        try:
            super().close()
        finally:
            self._is_closed = True

    # What follows is about the state file.

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """As in Celery: send, and log what fails."""
        super().apply_entry(entry, producer=producer)
        self._sending = ""

    def reserve(self, entry: Any) -> Any:
        """As in Celery: write down that the entry runs now."""
        self._sending = entry.name
        self._ran_s[entry.name] = self.monotonic()
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

    # What follows is about the clock.

    def is_due(self, entry: Any) -> Any:
        """As in Celery, but a time of day that comes again is left out if it was served."""
        is_due, next_s = super().is_due(entry)
        if is_due and self._is_served(entry, next_s):
            logger.info("Entry %r is not sent again after the clock was set back.", entry.name)
            # After a sync the entry in the heap is another object than the stored one.
            stored = self._entries().get(entry.name, entry)
            entry.last_run_at = stored.last_run_at = entry.default_now()
            return False, next_s
        return is_due, next_s

    def _is_served(self, entry: Any, period_s: float) -> bool:
        if self._repeats_until_s and self._wall_s() > self._repeats_until_s + LONGEST_SLEEP_S:
            self._repeats_until_s = 0.0
        ran_s = self._ran_s.get(entry.name)
        if not self._repeats_until_s or ran_s is None or not entry.total_run_count:
            return False
        return not _is_interval(entry) and self.monotonic() - ran_s < period_s / 2

    def _follow_clock(self) -> None:
        step_s = self._watch.set_back_by(self._wall_s(), self.monotonic())
        if not step_s:
            return
        logger.warning("The clock was set back by %.0f s: the schedule follows it.", step_s)
        before_s = self._wall_s() + step_s
        self._repeats_until_s = max(self._repeats_until_s, before_s)
        for name, entry in self._entries().items():
            last_s = entry.last_run_at.timestamp()
            self._ran_s.setdefault(name, self.monotonic() - max(before_s - last_s, 0.0))
            entry.last_run_at = _earlier(entry.last_run_at, step_s)
        self._reorder()

    def _forget_the_future(self) -> None:
        """The stored times lie ahead if the clock was set back while no beat ran."""
        now_s = self._wall_s()
        ahead = {
            name: entry
            for name, entry in self._entries().items()
            if entry.last_run_at.timestamp() > now_s + TOLERANCE_S
        }
        for name, entry in ahead.items():
            step_s = entry.last_run_at.timestamp() - now_s
            self._repeats_until_s = max(self._repeats_until_s, now_s + step_s)
            self._ran_s[name] = self.monotonic()
            entry.last_run_at = _earlier(entry.last_run_at, step_s)
        if ahead:
            logger.warning("The clock was set back since beat last ran: the schedule follows it.")
            self._reorder()

    def _reorder(self) -> None:
        self._heap = None
        self.sync()

    def _entries(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.schedule)

    def _wall_s(self) -> float:
        return float(self.app.now().timestamp())


def _is_interval(entry: Any) -> bool:
    return isinstance(entry.schedule, interval) and not entry.schedule.relative


def _earlier(moment: Any, seconds: float) -> Any:
    """Subtract real seconds, in UTC: local time may change its offset in between."""
    zone = moment.tzinfo
    return (moment.astimezone(UTC) - timedelta(seconds=seconds)).astimezone(zone)
