"""Exposed tasks in the journal: written down when they are sent, when they start and when they end.

A task that is not exposed costs none of this.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery import states
from flask import has_request_context, request
from kombu.exceptions import OperationalError

from flask_celeriac.enqueue.parent import parent_of
from flask_celeriac.errors import CeleriacError, TaskCancelled
from flask_celeriac.record.journal.facts import NewEntry
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.transport.redis.messages import delay_until

if TYPE_CHECKING:
    from .celery_app import FlaskCelery
    from .context import Run

logger = logging.getLogger(__name__)


@contextmanager
def recorded(
    celery: FlaskCelery, name: str, ids: Sequence[str], options: Mapping[str, Any]
) -> Iterator[None]:
    """Write down tasks that the block sends.

    Args:
        options: Of `apply_async`, for all of them.

    Raises:
        ResultBackendUnavailable, ResultBackendMissing: They can not be; nothing was sent.
    """
    if celery.conf.task_always_eager:
        yield
        return
    journal = journal_of(celery)
    owner = celery.celeriac.access.owner_of(request) if has_request_context() else None
    parent = parent_of(celery)
    parent_id = parent.request.id if parent else None
    due_in_s = _due_in_s(options)
    new = journal.open([NewEntry(id_, name, owner, parent_id, due_in_s) for id_ in ids])
    if parent_id in ids:
        _note_retry(parent)
    try:
        yield
    except OperationalError:
        # They may have arrived.
        raise
    except BaseException:
        # What a run sends again under its own id was there before.
        if forgotten := [id_ for id_ in ids if id_ in new]:
            journal.forget(forgotten)
        raise


def _due_in_s(options: Mapping[str, Any]) -> float:
    countdown_s, eta = options.get("countdown"), options.get("eta")
    if isinstance(eta, datetime):
        return delay_until(eta.isoformat())
    return float(countdown_s) if isinstance(countdown_s, int | float) else 0.0


def note_start(task: Any) -> None:
    """Write down that a run of *task* begins; nothing where it is not exposed."""
    if _is_recorded(task):
        try:
            journal_of(task.app).started(task.request.id)
        except CeleriacError as error:
            _warn(task, error)


def _note_retry(task: Any) -> None:
    """Write down that a run of *task* ends with a retry: before the next one can begin."""
    from .context import current_run  # which needs this module

    run = current_run()
    if run is not None and run.task.request.id == task.request.id:
        run.has_retried = True
        _end(run, states.RETRY)


def note_end(run: Run, state: str | None, retval: Any) -> None:
    """Write down that a run has ended in *state*.

    Args:
        retval: What it returned or raised; of one that was cancelled the state is stored here.
    """
    task, request = run.task, run.task.request
    if isinstance(retval, TaskCancelled) and not request.is_eager:
        task.backend.mark_as_revoked(request.id, str(retval), request, not request.ignore_result)
    if _is_recorded(task) and not (run.has_retried and state == states.RETRY):
        _end(run, state)


def _end(run: Run, state: str | None) -> None:
    request = run.task.request
    try:
        journal = journal_of(run.task.app)
        journal.ended(request.id, run.untold())
        if state == states.RETRY:
            journal.retried(request.id, {"retries": request.retries + 1})
    except Exception as error:
        _warn(run.task, error)


def is_exposed(task: Any) -> bool:
    """Tell whether *task* is exposed by the app that it belongs to."""
    return task.name in task.app.celeriac.exposures


def _is_recorded(task: Any) -> bool:
    return is_exposed(task) and not task.request.is_eager


def _warn(task: Any, error: Exception) -> None:
    logger.warning("Nothing could be written down of task %s: %s", task.request.id, error)
