"""A task that somebody asks for by its id: found, or the same answer as if it never was.

Whoever asks, and whatever there is, one look is taken into the journal, so that neither the answer
nor its time tells whether somebody else has such a task.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from celery.utils.time import maybe_timedelta
from flask import current_app, request
from werkzeug.exceptions import HTTPException

from flask_celeriac.access import Action, Ask
from flask_celeriac.declare.state import AppState
from flask_celeriac.record.journal.facts import Seen
from flask_celeriac.record.journal.find import journal_of
from flask_celeriac.record.journal.journal import Journal

from .problem import Problem, not_found
from .status import entry_of, is_finished


def app_state() -> AppState:
    """Return what this application has from Flask-Celeriac."""
    state: AppState = current_app.extensions["celeriac"]
    return state


def journal() -> Journal:
    """Return this application's journal."""
    return journal_of(app_state().celery)


def find(task_id: str, action: Action) -> Seen:
    """Return all that is known of a task which the request may *action*.

    Raises:
        Problem: 404: there is none, it is somebody else's, or the access rule says no. 410: it had
            a result, which has expired.
        ResultBackendUnavailable: Nobody knows.
    """
    if not _is_random_id(task_id):
        raise not_found()
    seen = journal().look(task_id)
    entry, state = seen.entry, app_state()
    owner = state.access.owner_of(request)
    may = may_do(Ask(entry.name if entry else None, action, task_id))
    if entry is None or entry.owner != owner or entry.name not in state.exposures or not may:
        raise not_found()
    if _has_expired(seen):
        raise Problem(410, "The result of this task has expired.")
    return seen


def may_do(ask: Ask) -> bool:
    """Tell whether the request may do what it asks."""
    return app_state().access.may(request, ask, is_debug=bool(current_app.debug))


def may_read(seen: Seen, *, is_awaited: bool = False) -> bool:
    """Tell whether the request, which did something else to a task, may read it as well.

    The rule is not asked where there is nothing to learn but that the task was sent.

    Args:
        is_awaited: Whether the request would wait for what there is to learn.
    """
    entry = entry_of(seen)
    if seen.meta is None and not entry.progress and not is_awaited:
        return True
    try:
        return may_do(Ask(entry.name, "read", entry.task_id))
    except HTTPException:
        return False  # it was for the rule to refuse that, and what was done stays done


def _is_random_id(task_id: str) -> bool:
    """Tell whether this is an id that nobody can guess: what else somebody chose is not served."""
    try:
        known = UUID(task_id)
    except ValueError:
        return False
    return str(known) == task_id and known.version in (4, 7)


def _has_expired(seen: Seen) -> bool:
    entry = seen.entry
    if entry is None or is_finished(seen):
        return False
    ended_at = entry.ended_at or (seen.cancellation.at if seen.cancellation else None)
    # Seconds, and of some backends, such as that on a database, a timedelta.
    life = maybe_timedelta(app_state().celery.backend.expires)
    if ended_at is None or not life or seen.meta is not None:
        return False
    return datetime.now(UTC) - ended_at > life
