"""What is said of one task: the body of its status resource."""

from __future__ import annotations

import hashlib
import json
import math
import traceback
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from celery import states
from flask import Response, current_app

from flask_celeriac.record.journal.facts import PROGRESS, Entry, Seen, written

from .links import links_of
from .problem import RETRY_S


def is_finished(seen: Seen) -> bool:
    """Tell whether nothing will happen to a task any more."""
    return seen.meta is not None and seen.meta["status"] in states.READY_STATES


def entry_of(seen: Seen) -> Entry:
    """Return the record of a task.

    Raises:
        LookupError: It was never opened.
    """
    if seen.entry is None:
        raise LookupError("A task that was never opened has no status.")
    return seen.entry


def body_of(seen: Seen) -> dict[str, Any]:
    """Return the status body of a task that was opened."""
    links = links_of(entry_of(seen).task_id)
    return body_outside(seen, links, is_debug=bool(current_app.debug))


def body_outside(seen: Seen, links: Mapping[str, str | None], *, is_debug: bool) -> dict[str, Any]:
    """Return the same where no request is under way.

    Args:
        links: To the task, as `links_of` gives them.
        is_debug: Of the application: whether tracebacks are shown.
    """
    entry, state = entry_of(seen), state_of(seen)
    meta: Mapping[str, Any] = seen.meta or {}
    finished_at = _finished_at(entry, meta) if is_finished(seen) else None
    return {
        "id": entry.task_id,
        "task": entry.name,
        "state": state,
        "progress": meta.get("result") if state == PROGRESS else entry.progress,
        "result": meta.get("result") if state == states.SUCCESS else None,
        "error": _error(seen, state, is_debug=is_debug),
        "attempts": entry.attempts,
        "queued_at": written(entry.queued_at),
        "started_at": entry.started_at and written(entry.started_at),
        "finished_at": finished_at and written(finished_at),
        "cancellation": seen.cancellation and seen.cancellation.shown(),
        "links": links,
    }


def response_of(seen: Seen) -> Response:
    """Return the status resource of a task, with its ETag and, while it waits, when to look."""
    return _waiting(represented(to_json(body_of(seen))), seen)


def accepted(seen: Seen, *, may_read: bool = True, was_awaited: bool = False) -> Response:
    """Return the answer to a request that has asked for something to happen to a task.

    Args:
        may_read: Whether who has asked may learn what came of the task.
        was_awaited: Whether the client has waited for its end: then 200 says that it has come.
    """
    headers = {"Cache-Control": "no-store"}
    if where := links_of(seen.entry.task_id)["self"] if seen.entry else None:
        headers["Location"] = where
    body = body_of(seen)
    if not may_read:
        body.update(progress=None, result=None, error=None)
    text = to_json(body)
    code = 200 if was_awaited and is_finished(seen) else 202
    return _waiting(Response(text, code, headers, content_type="application/json"), seen)


def represented(text: str) -> Response:
    """Return a resource that is JSON, with its ETag; it may be kept, and is to be asked for."""
    response = Response(text, content_type="application/json")
    response.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Prefer, Cookie, Authorization"
    return response


def _waiting(response: Response, seen: Seen) -> Response:
    if not is_finished(seen):
        response.headers["Retry-After"] = str(RETRY_S)
    return response


def to_json(body: Mapping[str, Any]) -> str:
    """Encode a body; what an application returned and JSON has no form for is shown as text.

    Numbers that JSON does not know (Python writes ``NaN``, which no browser reads) become null.
    """
    try:
        return json.dumps(body, default=_shown, allow_nan=False) + "\n"
    except ValueError:
        return json.dumps(_finite(body), default=_shown, allow_nan=False) + "\n"


def _shown(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def state_of(seen: Seen) -> str:
    """Return the state of a task that was opened."""
    entry, stored = entry_of(seen), seen.meta and seen.meta["status"]
    # Of the start the journal knows first; and where Celery does not store it, alone.
    if stored in (None, states.PENDING):
        return states.STARTED if entry.started_at and not entry.ended_at else states.PENDING
    return str(stored)


def _finished_at(entry: Entry, meta: Mapping[str, Any]) -> datetime | None:
    done = meta.get("date_done")
    if isinstance(done, str):
        done = datetime.fromisoformat(done)
    if isinstance(done, datetime):
        return done if done.tzinfo else done.replace(tzinfo=UTC)
    return entry.ended_at


def _error(seen: Seen, state: str, *, is_debug: bool) -> dict[str, Any] | None:
    if seen.meta is None or state not in (states.FAILURE, states.REVOKED):
        return None
    error = error_of(seen.meta, is_debug=is_debug)
    # Celery's own workers store of a task that never started that it was revoked, and no more.
    if state == states.REVOKED and seen.cancellation is not None:
        error["message"] = str(seen.cancellation)
    return error


def error_of(meta: Mapping[str, Any], *, is_debug: bool) -> dict[str, Any]:
    """Return how a body shows the error with which a task has ended."""
    error = meta["result"]
    shown = {"type": type(error).__name__, "message": str(error)}
    if is_debug:
        shown["traceback"] = meta.get("traceback") or "".join(traceback.format_exception(error))
    return shown
