"""The end of a task as an answer of its own: its result, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import states
from flask import Response, current_app
from flask.json.provider import DefaultJSONProvider

from .problem import Problem
from .status import error_of


def answer_with(task_id: str, meta: Mapping[str, Any]) -> Response:
    """Answer with a task that has ended.

    Args:
        meta: What Celery stored of it, decoded.

    Raises:
        Problem: 500: it failed, or its result is not JSON. 409: it was revoked, so that there will
            be none; unlike 410 no cache keeps that, and to send it again is right.
    """
    if meta["status"] == states.SUCCESS:
        return _with_result(task_id, meta["result"])
    error = error_of(meta, is_debug=bool(current_app.debug))
    if meta["status"] == states.REVOKED:
        raise Problem(409, f"The task was {error['message']}.", id=task_id, error=error)
    detail = f"The task failed: {error['type']}: {error['message']}"
    raise Problem(500, detail, id=task_id, error=error)


def _with_result(task_id: str, result: Any) -> Response:
    provider = current_app.json
    # NaN and the like are numbers for Python's encoder only.
    strict = {"allow_nan": False} if isinstance(provider, DefaultJSONProvider) else {}
    try:
        text = provider.dumps(result, **strict)
    except (TypeError, ValueError) as error:
        kind = type(result).__name__
        detail = f"The task has succeeded, but its result ({kind}) is not JSON: {error}"
        raise Problem(500, detail, id=task_id) from error
    return Response(text + "\n", content_type="application/json")
