"""A plain Celery app that keeps state files, for workers and beats of tests.

Configured by the environment: BROKER_URL, and DEAF for a worker that stops consuming when it is
told to by a task, with its connection, its loop and its list of queues as they were.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.signals import worker_ready

from flask_celeriac.health.attach import attach

configuration: dict[str, Any] = {
    "broker_url": os.environ["BROKER_URL"],
    "result_backend": os.environ["BROKER_URL"],
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "beat_schedule": {
        "often": {"task": "plain.nap", "schedule": 1.0, "args": (0,)},
        "wrong": {"task": "plain.knap", "schedule": 3600.0},
    },
}
app = Celery("plain")
attach(app, configuration)
app.config_from_object(configuration)


@app.task
def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


@app.task
def compute(seconds: float) -> float:
    """Never gives the processor to another greenlet."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        sum(range(1000))
    return seconds


@worker_ready.connect
def go_deaf(sender: Any, **_: Any) -> None:
    if os.environ.get("DEAF"):
        # Redis is no longer polled for messages; all else of the channel goes on.
        sender.task_consumer.channel._brpop_start = lambda *_, **__: None
