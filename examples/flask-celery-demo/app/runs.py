"""Start a task by its name from a form, and tell what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_type_hints

from celery.backends.base import DisabledBackend
from celery.states import READY_STATES, RETRY, SUCCESS
from flask import current_app
from kombu.exceptions import OperationalError
from pydantic import TypeAdapter, ValidationError
from redis.exceptions import RedisError

from app import tasks
from flask_celeriac import AsyncResult, CeleriacError, Task
from flask_celeriac.errors import ResultBackendMissing

#: What sending or looking up raises when broker or result backend is missing or does not answer.
UNREACHABLE = (OperationalError, RedisError, CeleriacError)

#: The tasks that the page has a form for, by the name that it shows.
TASKS: dict[str, Task[..., Any]] = {
    "log": tasks.log,
    "multiply": tasks.multiply,
    "calc": tasks.calc,
    "render_report": tasks.render_report,
}


class WrongArgument(Exception):
    """Names an argument that is missing, unknown or wrong. Nothing was sent."""


def start(name: str, form: Mapping[str, str]) -> AsyncResult[Any]:
    """Send the task *name* with what a form holds, checked as the interface checks it.

    Raises:
        KeyError: There is no such task.
        WrongArgument: Nothing was sent.
    """
    task = TASKS[name]
    hints = get_type_hints(task.__wrapped__, include_extras=True)
    hints = {argument: hints[argument] for argument in hints.keys() - {"self", "return"}}
    for unknown in form.keys() - hints.keys():
        raise WrongArgument(f"{unknown}: {name} has no such argument")
    for missing in hints.keys() - form.keys():
        raise WrongArgument(f"{missing}: is missing")
    return task.delay(
        **{argument: _read(argument, hints[argument], form[argument]) for argument in form}
    )


def _read(argument: str, hint: Any, text: str) -> Any:
    """Make what *hint* says of a field of a form, which holds text only."""
    try:
        value = TypeAdapter(hint).validate_strings(text)
    except ValidationError as error:
        raise WrongArgument(f"{argument}: {error.errors()[0]['msg']}") from None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def result_backend() -> Any:
    backend = current_app.extensions["celery"].backend
    if isinstance(backend, DisabledBackend):
        raise ResultBackendMissing("No result backend: run `flask celery up`, or configure one.")
    return backend


def look_up(task_id: str) -> dict[str, Any]:
    """What Celery's result backend has of a run, also what is nobody else's business."""
    meta = result_backend().get_task_meta(task_id)
    state, value = meta["status"], meta["result"]
    return {
        "id": task_id,
        "state": state,
        "is_finished": state in READY_STATES,
        "result": value if state == SUCCESS else None,
        "error": f"{type(value).__name__}: {value}" if isinstance(value, Exception) else None,
        # Celery counts a retry when it runs; who waits for it wants it counted already.
        "retries": (meta.get("retries") or 0) + (state == RETRY),
        "arguments": [*(meta.get("args") or ()), *(meta.get("kwargs") or {}).values()],
        "worker": meta.get("worker"),
    }


def last_minute_job() -> dict[str, str] | None:
    """The minute job's last output: `message` and `at` (ISO 8601, UTC); None before the first."""
    stored = result_backend().get(tasks.MINUTE_JOB_KEY)
    return json.loads(stored) if stored else None
