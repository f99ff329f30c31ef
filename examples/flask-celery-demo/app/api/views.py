"""The views of the JSON interface, beside those for tasks, which Flask-Celeriac brings."""

from __future__ import annotations

from typing import Any

from celery.exceptions import TimeoutError
from flask import jsonify
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


@api.get("/minute-job")
def minute_job() -> dict[str, Any]:
    return {"last": runs.last_minute_job()}


@api.errorhandler(HTTPException)
def refused(error: HTTPException) -> Any:
    return jsonify(error=error.description), error.code


def unreachable(error: Exception) -> Any:
    return jsonify(error="the broker does not answer", reason=str(error)), 503


# For the whole app: the views for tasks answer by themselves where a server is down, but not where
# none is configured.
for kind in runs.UNREACHABLE:
    api.app_errorhandler(kind)(unreachable)
