"""The entries of the beat schedule, and when each is due next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery.beat import ScheduleEntry
from celery.schedules import crontab, schedule

from .layout import duration

if TYPE_CHECKING:
    from celery import Celery


@dataclass(frozen=True, slots=True)
class Due:
    """One entry; `at` is None if its next time can not be told."""

    name: str
    task: str
    schedule: str
    at: datetime | None


def next_entries(celery: Celery) -> list[Due]:
    """Return the entries of `beat_schedule`, the next one first.

    Beat knows when an interval ran last and we do not: its time is the latest possible, one
    interval from now.
    """
    entries = [
        _due(celery, str(name), entry) for name, entry in (celery.conf.beat_schedule or {}).items()
    ]
    return sorted(entries, key=lambda due: (due.at is None, due.at, due.name))


def _due(celery: Celery, name: str, given: Any) -> Due:
    values = given if isinstance(given, dict) else dict(given)
    entry: Any = ScheduleEntry(**{**values, "name": name, "app": celery})
    try:
        now = entry.default_now()
        seconds = entry.schedule.remaining_estimate(now).total_seconds()
        at = (now + timedelta(seconds=max(seconds, 0.0) + 0.5)).replace(microsecond=0)
    except (ArithmeticError, RuntimeError, ValueError):
        at = None
    return Due(name, str(entry.task), in_words(entry.schedule), at)


def in_words(when: Any) -> str:
    """Return a schedule as it would be typed: `every 30 s`, `*/5 * * * *` (cron order)."""
    if isinstance(when, crontab):
        fields = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
        return " ".join(str(getattr(when, f"_orig_{field}")).replace(" ", "") for field in fields)
    interval = getattr(when, "run_every", None)
    if isinstance(when, schedule) and interval is not None:
        seconds = interval.total_seconds()
        return f"every {duration(seconds) if seconds >= 1 else f'{seconds:g} s'}"
    return str(when)
