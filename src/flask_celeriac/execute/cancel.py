"""Tasks that are asked to end."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import Any, NoReturn

from flask_celeriac.declare.context import current_run
from flask_celeriac.errors import TaskCancelled
from flask_celeriac.record.journal.facts import Cancellation
from flask_celeriac.record.journal.find import journal_of

from .meter import Meter

#: What workers are told, see `terminate`.
TERMINATE_LATER = "celeriac_terminate_later"


def raise_if_cancelled() -> None:
    """End the running task where somebody wants it; see `Celeriac.raise_if_cancelled`."""
    run = current_run()
    if run is None:
        return
    meter: Meter = run.attachment or Meter.of(run)
    meter.ask(monotonic())
    if meter.wish is not None:
        stop(meter.wish)


def stop(wish: Cancellation) -> NoReturn:
    """Raise what ends a task that was cancelled."""
    raise TaskCancelled(str(wish))


def cancel(
    celery: Any,
    task_id: str,
    *,
    reason: str | None = None,
    by: str | None = None,
    terminate_after_s: float | None = None,
) -> Cancellation:
    """Cancel a task; see `Celeriac.cancel`."""
    wish = Cancellation(datetime.now(UTC), reason, by)
    wish = journal_of(celery).cancel(task_id, wish)
    celery.control.revoke(task_id)
    if terminate_after_s is not None:
        arguments = {"task_id": task_id, "after_s": float(terminate_after_s)}
        celery.control.broadcast(TERMINATE_LATER, arguments=arguments)
    return wish
