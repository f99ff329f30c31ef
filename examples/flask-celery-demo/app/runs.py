"""Start a task by its name, and tell what became of it: for the API and the page alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from celery.backends.base import DisabledBackend
from celery.states import READY_STATES, RETRY, SUCCESS
from flask import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from app import tasks
from flask_celeriac import AsyncResult, CeleriacError, Task
from flask_celeriac.errors import ResultBackendMissing

#: What sending or looking up raises when broker or result backend is missing or does not answer.
UNREACHABLE = (OperationalError, RedisError, CeleriacError)


class WrongArgument(Exception):
    """Names an argument that is missing, unknown or wrong. Nothing was sent."""


def text(value: Any) -> str:
    if isinstance(value, str) and 1 <= len(value) <= 200:
        return value
    raise WrongArgument("must be a text of 1 to 200 characters")


def number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and -1e9 <= value <= 1e9:
        return value
    raise WrongArgument("must be a number from -1000000000 to 1000000000")


#: Each task that may be started from outside, with the check of each of its arguments.
TASKS: dict[str, tuple[Task[..., Any], dict[str, Callable[[Any], Any]]]] = {
    "log": (tasks.log, {"message": text}),
    "multiply": (tasks.multiply, {"x": number, "y": number}),
    "calc": (tasks.calc, {"n": number}),
}


def start(name: str, values: Mapping[str, Any]) -> AsyncResult[Any]:
    """Send the task *name* with *values*.

    Raises:
        KeyError: There is no such task.
        WrongArgument: Nothing was sent.
    """
    task, checks = TASKS[name]
    for unknown in values.keys() - checks.keys():
        raise WrongArgument(f"{unknown}: {name} has no such argument")
    arguments = []
    for argument, check in checks.items():
        try:
            arguments.append(check(values.get(argument)))
        except WrongArgument as error:
            raise WrongArgument(f"{argument}: {error}") from error
    return task.delay(*arguments)


def from_form(name: str, form: Mapping[str, str]) -> dict[str, Any]:
    """A form sends text only: read the numbers that the task *name* takes.

    Raises:
        KeyError: There is no such task.
        WrongArgument: A field that should hold a number does not.
    """
    _, checks = TASKS[name]
    values: dict[str, Any] = dict(form)
    for argument in (key for key in form if checks.get(key) is number):
        try:
            value = float(form[argument])
        except ValueError:
            raise WrongArgument(f"{argument}: must be a number") from None
        values[argument] = int(value) if value.is_integer() else value
    return values


def result_backend() -> Any:
    backend = current_app.extensions["celery"].backend
    if isinstance(backend, DisabledBackend):
        raise ResultBackendMissing("No result backend: run `flask celery up`, or configure one.")
    return backend


def look_up(task_id: str) -> dict[str, Any]:
    """What is known of a task; one that nobody ever sent looks like one that waits (PENDING)."""
    meta = result_backend().get_task_meta(task_id)
    state, value = meta["status"], meta["result"]
    return {
        "id": task_id,
        "state": state,
        "is_finished": state in READY_STATES,
        "result": value if state == SUCCESS else None,
        "error": repr(value) if isinstance(value, Exception) else None,
        # Celery counts a retry when it runs; who waits for it wants it counted already.
        "retries": (meta.get("retries") or 0) + (state == RETRY),
        "arguments": meta.get("args"),
        "worker": meta.get("worker"),
    }


def last_minute_job() -> dict[str, str] | None:
    """The minute job's last output: `message` and `at` (ISO 8601, UTC); None before the first."""
    stored = result_backend().get(tasks.MINUTE_JOB_KEY)
    return json.loads(stored) if stored else None
