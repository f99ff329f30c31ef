"""A task as the answer of a view: its result when that is there in time, else where it will be."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery import states
from celery.canvas import Signature
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import AsyncResult, EagerResult
from flask import Response, request
from kombu.exceptions import OperationalError

from flask_celeriac.errors import MessageTooLarge, ResultBackendUnavailable
from flask_celeriac.record.journal.elsewhere import Alarm
from flask_celeriac.record.journal.facts import Seen
from flask_celeriac.record.journal.find import journal_of

from .links import link_to
from .lookup import app_state
from .outage import logged_problem_of
from .outcome import answer_with
from .prefer import preferences
from .problem import RETRY_S, Problem, too_large, unavailable
from .server import longest_wait_s
from .status import body_of, is_finished, to_json

#: Seconds after which it is asked whether the server of the results is there, while one waits.
_ASK_S = 0.9

logger = logging.getLogger(__name__)


def respond(result: Any, wait_s: float) -> Response:
    """Answer with a task; see `Celeriac.respond`."""
    wanted = preferences(request.headers.getlist("Prefer"))
    # How long the view itself waits is the application's choice, whatever clients may ask for.
    most_s = max(wait_s, longest_wait_s())
    try:
        response = _answer(result, wanted.within(wait_s, most_s))
    except Problem as problem:
        response = problem.response()
    wanted.tell(response, most_s)
    response.headers["Cache-Control"] = "no-store"
    response.vary.add("Prefer")
    return response


def _answer(given: Any, wait_s: float) -> Response:
    result = _sent(given)
    try:
        meta = _awaited(result, wait_s)
        is_ready = meta["status"] in states.READY_STATES
        return answer_with(result.id, meta) if is_ready else _accepted(result.id, meta)
    except ResultBackendUnavailable as error:
        logger.warning("Nobody knows what became of task %s: %s", result.id, error)
        raise unavailable(
            "The task was sent, but the server that keeps results does not answer.", id=result.id
        ) from error


def _sent(given: Any) -> Any:
    """Return the result of a task, which is sent if it was not.

    Raises:
        Problem: 413, 429, 503: it could not be sent.
        TypeError: It is neither a result nor a signature.
    """
    result = given
    if isinstance(given, Signature):
        try:
            result = given.apply_async()
        except OperationalError as error:
            raise logged_problem_of(error) from error
        except MessageTooLarge as error:
            raise too_large() from error
    if not isinstance(result, AsyncResult | EagerResult):
        raise TypeError(
            f"respond({given!r}): give the result of one task, such as task.delay(), or a "
            "signature, such as task.s()."
        )
    return result


def _awaited(result: Any, wait_s: float) -> Mapping[str, Any]:
    """Return what Celery has stored of a task when it has ended, or the time is over.

    Raises:
        ResultBackendUnavailable: Nobody knows.
    """
    deadline = time.monotonic() + wait_s
    if not isinstance(result, EagerResult) and wait_s > 0:
        # To who listens, a server that is lost is no error; one that was never there is to be.
        _wait(result, min(wait_s, _ASK_S))
        if wait_s > _ASK_S and not result.ready():
            _wait(result, deadline - time.monotonic())
    state = result.state
    if state not in states.READY_STATES:
        return {"status": state}
    return {"status": state, "result": result.result, "traceback": result.traceback}


def _wait(result: Any, timeout_s: float) -> None:
    """Return when a task has ended, or after *timeout_s*."""
    if hasattr(result.backend, "journal"):  # ours, which pushes
        with suppress(CeleryTimeoutError):
            result.get(timeout=timeout_s, propagate=False)
        return
    deadline, alarm = time.monotonic() + timeout_s, Alarm()
    while not result.ready() and (left_s := deadline - time.monotonic()) > 0:
        alarm.wait(left_s)


def _accepted(task_id: str, meta: Mapping[str, Any]) -> Response:
    """Answer with a task that goes on: with its status, where the API shows that."""
    seen = _shown(task_id)
    if seen is not None and seen.meta is not None and is_finished(seen):
        return answer_with(task_id, seen.meta)
    body = body_of(seen) if seen else {"id": task_id, "state": meta["status"]}
    response = Response(to_json(body), 202, content_type="application/json")
    response.headers["Retry-After"] = str(RETRY_S)
    location = link_to("status", task_id=task_id) if seen else None
    if location is not None:
        response.headers["Location"] = location
    return response


def _shown(task_id: str) -> Seen | None:
    """Return what is known of a task that is exposed; None of any other."""
    state = app_state()
    seen = journal_of(state.celery).look(task_id) if state.exposures else None
    is_exposed = seen and seen.entry and seen.entry.name in state.exposures
    return seen if is_exposed else None
