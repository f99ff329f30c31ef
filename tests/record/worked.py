"""An app for a worker process: its result backend and database come from the environment."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.result import allow_join_result

app = Celery("worked", broker=os.environ["WORKED_BROKER"], backend=os.environ["WORKED_BACKEND"])
app.conf.update(task_track_started=True, worker_prefetch_multiplier=1, result_extended=True)


@app.task(name="add")
def add(x: int, y: int) -> int:
    return x + y


@app.task(name="total")
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(name="fail")
def fail(*_: Any) -> None:
    raise ValueError("no")


@app.task(name="again", bind=True, max_retries=2)
def again(self: Any) -> int:
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return int(self.request.retries)


@app.task(name="steps", bind=True)
def steps(self: Any) -> str:
    self.update_state(state="PROGRESS", meta={"done": 1})
    return "all"


@app.task(name="wait_for_add")
def wait_for_add(x: int) -> int:
    """Waits inside a task: in the child of a prefork worker."""
    with allow_join_result():
        return int(add.delay(x, 1).get(timeout=20))
