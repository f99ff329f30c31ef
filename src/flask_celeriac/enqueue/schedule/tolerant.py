"""A scheduler that lives through a clock that is set back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any, cast

from celery.beat import PersistentScheduler
from celery.schedules import schedule as interval

from .clock import TOLERANCE_S, ClockWatch

logger = logging.getLogger(__name__)

#: Beat sleeps no longer, so that a probe sees it alive and a changed clock is seen soon.
LONGEST_SLEEP_S = 5


class ClockTolerantScheduler(PersistentScheduler):
    """Celery's persistent scheduler, in which no entry falls silent until the clock catches up.

    An interval goes on as if nothing had happened, and a crontab entry follows the new wall time.
    A time of day that comes a second time is left out where the entry ran less than half its
    period ago (a daily entry does not run twice; one that runs each minute goes on).
    """

    max_interval = LONGEST_SLEEP_S

    #: Replaced in tests.
    monotonic: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, app: Any, *args: Any, **kwargs: Any) -> None:
        self._is_closed = False
        self._store: Any = None
        #: Monotonic time at which each entry last ran, as far as it matters here.
        self._ran_s: dict[str, float] = {}
        #: Wall time up to which times of day have been before.
        self._repeats_until_s = 0.0
        self._watch = ClockWatch(app.now().timestamp(), self.monotonic())
        super().__init__(app, *args, **kwargs)

    def setup_schedule(self) -> None:
        """As in Celery; then correct what was stored before the clock was set back."""
        super().setup_schedule()
        self._forget_the_future()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send at most one due entry.

        Returns:
            Seconds until the next call, 0.0 to `LONGEST_SLEEP_S`.
        """
        self._follow_clock()
        return float(min(super().tick(*args, **kwargs), LONGEST_SLEEP_S))

    def reserve(self, entry: Any) -> Any:
        """As in Celery: write down that the entry runs now."""
        self._ran_s[entry.name] = self.monotonic()
        return super().reserve(entry)

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
        """Store the schedule; safe to repeat."""
        try:
            super().close()
        finally:
            self._is_closed = True

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
