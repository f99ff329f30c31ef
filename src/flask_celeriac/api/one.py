"""One task: shown, and cancelled."""

from __future__ import annotations

from flask import Response, request

from flask_celeriac.execute.cancel import cancel as cancel_task

from .body import read_body
from .lookup import app_state, find, journal, may_read
from .pointers import pointer
from .prefer import preferences
from .problem import invalid
from .server import longest_wait_s
from .status import accepted, entry_of, is_finished, response_of
from .waiting import wait_until

LONGEST_REASON = 1000


def show(task_id: str) -> Response:
    """Answer with the status of a task, after waiting for it as long as the client prefers."""
    seen = find(task_id, "read")
    wanted = preferences(request.headers.getlist("Prefer"))
    most_s = longest_wait_s()
    wait_s = wanted.within(0.0, most_s)
    response = response_of(seen)
    if wait_s > 0 and not is_finished(seen):
        known, etag = request.if_none_match, response.get_etag()[0]
        if not known:
            seen = wait_until(journal(), task_id, is_finished, wait_s)
        elif known.contains_weak(etag or ""):
            seen = wait_until(
                journal(), task_id, lambda new: response_of(new).get_etag()[0] != etag, wait_s
            )
        response = response_of(seen)
    wanted.tell(response, most_s)
    response.make_conditional(request)
    return response


def cancel(task_id: str) -> Response:
    """Cancel a task; one that has ended stays as it is."""
    seen = find(task_id, "cancel")
    reason = _reason()
    if not is_finished(seen):
        state = app_state()
        cancel_task(
            state.celery,
            task_id,
            reason=reason,
            by=state.access.owner_of(request),
            terminate_after_s=state.exposures[entry_of(seen).name].terminate_after_s,
        )
        seen = journal().look(task_id)
    return accepted(seen, may_read=may_read(seen))


def _reason() -> str | None:
    """Return why, from the body, if there is one.

    Raises:
        Problem: The body is something else than an object with a reason.
    """
    body = read_body(app_state().settings.max_body_bytes).values
    wrong = [
        {"pointer": pointer(name), "detail": "is unknown"} for name in body.keys() - {"reason"}
    ]
    reason = body.get("reason")
    if not isinstance(reason, str | None) or len(reason or "") > LONGEST_REASON:
        detail = f"give a text of at most {LONGEST_REASON} characters"
        wrong.append({"pointer": "#/reason", "detail": detail})
    if wrong:
        raise invalid('The body may be an object such as {"reason": "too slow"}.', wrong)
    return reason
