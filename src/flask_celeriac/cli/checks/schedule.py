"""Entries of the beat schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask_celeriac.enqueue.schedule import unknown_entries

from .finding import Finding, error, ok, warning

if TYPE_CHECKING:
    from celery import Celery


def examine(celery: Celery) -> Iterator[Finding]:
    """Examine whether each entry names a task that exists."""
    unknown = unknown_entries(celery)
    for found in unknown:
        says = f"The schedule's {found}, which no module of this application declares."
        if found.near:
            yield error("beat.task", says, f"Write {found.near!r} in CELERY_BEAT_SCHEDULE.")
        else:
            yield warning(
                "beat.task", says, "Correct it, unless another application's workers know it."
            )
    if celery.conf.beat_schedule and not unknown:
        yield ok("beat.task", "Every entry of the schedule names a task that exists.")
