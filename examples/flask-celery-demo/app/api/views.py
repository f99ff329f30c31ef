"""The views of the JSON interface."""

from __future__ import annotations

from typing import Any

from celery.exceptions import TimeoutError
from flask import abort, jsonify, request, url_for
from werkzeug.exceptions import HTTPException

from app import runs
from app.api import api
from app.tasks import log


@api.get("/hello-world")
def hello_world() -> dict[str, str]:
    try:
        info = log.delay("hello world").get(timeout=3)
    except TimeoutError:
        info = "celery run failed"
    return {"info": info}


@api.post("/tasks/<name>")
def start(name: str) -> Any:
    """Start a task; the body is a JSON object with its arguments."""
    values = request.get_json()
    if not isinstance(values, dict):
        abort(400, "the body must be a JSON object with the task's arguments")
    try:
        result = runs.start(name, values)
    except KeyError:
        abort(404, f"there is no task {name!r}: take one of {', '.join(runs.TASKS)}")
    except runs.WrongArgument as error:
        abort(400, str(error))
    where = url_for("api.state", task_id=result.id)
    return {"id": result.id, "state": "PENDING"}, 202, {"Location": where}


@api.get("/tasks/<uuid:task_id>")
def state(task_id: Any) -> dict[str, Any]:
    return runs.look_up(str(task_id))


@api.get("/minute-job")
def minute_job() -> dict[str, Any]:
    return {"last": runs.last_minute_job()}


@api.errorhandler(HTTPException)
def refused(error: HTTPException) -> Any:
    return jsonify(error=error.description), error.code


def unreachable(error: Exception) -> Any:
    return jsonify(error="the broker does not answer", reason=str(error)), 503


for kind in runs.UNREACHABLE:
    api.register_error_handler(kind, unreachable)
