"""The same on plain Celery as it comes, with the views that applications write for it.

Source: https://flask.palletsprojects.com/en/stable/patterns/celery/
"""

from __future__ import annotations

import time
from typing import Any

from celery import Celery
from flask import Flask

from .environment import NAP_S, STAY_S, URL, WAIT_S

celery_app: Celery[Any] = Celery("http", broker=URL, backend=URL)


@celery_app.task(name="noop")
def noop(number: int) -> dict[str, int]:
    """Give *number* back: the work itself takes no time."""
    return {"info": number}


@celery_app.task(name="nap")
def nap(number: int) -> dict[str, int]:
    """Wait for 50 ms, as for a slow answer from somewhere."""
    time.sleep(NAP_S)
    return {"info": number}


@celery_app.task(name="whole")
def whole() -> dict[str, int]:
    """End at once."""
    return {"info": 1}


@celery_app.task(name="half", bind=True)
def half(self: Any) -> dict[str, int]:
    """Tell of progress, and stay there for a while."""
    told = {"current": 1, "total": 2, "message": "half of it"}
    self.update_state(state="PROGRESS", meta=told)
    time.sleep(STAY_S)
    return {"info": 1}


app = Flask("http")
_tasks: dict[str, Any] = {"noop": noop, "nap": nap, "whole": whole, "half": half}


@app.get("/respond/<name>")
def respond(name: str) -> Any:
    """Send a task and answer with its result."""
    return _tasks[name].delay(1).get(timeout=WAIT_S)


@app.get("/send/<name>")
def send(name: str) -> dict[str, str]:
    """Send a task."""
    return {"id": _tasks[name].delay().id}


@app.get("/tasks/<task_id>")
def status(task_id: str) -> dict[str, Any]:
    """Say what is known of a task."""
    result = celery_app.AsyncResult(task_id)
    return {"id": task_id, "state": result.state, "result": result.result}


@app.get("/healthz")
def healthz() -> dict[str, int]:
    """Answer without any work: the ceiling."""
    return {"info": 1}
