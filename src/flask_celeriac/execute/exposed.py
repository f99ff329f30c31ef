"""What a worker does for exposed tasks. Named by the extension."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

from . import terminate as _terminate  # noqa: F401 - adds a command to those that a worker obeys


class Exposed(bootsteps.StartStopStep):
    """Lets exposed tasks say that they have started, so that no other worker takes them for queued.

    Each worker stores that a cancelled task is revoked unless it is known to have started.
    """

    label = "Exposed"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        # Before the pool starts, which makes of each task what runs.
        for name in worker.app.celeriac.exposures:
            task = worker.app.tasks.get(name)
            if task is not None:
                task.track_started = True
