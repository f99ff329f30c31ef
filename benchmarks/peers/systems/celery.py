"""Celery on Redis, as it comes or tuned by its documentation: `PEERS_FLAVOUR`.

Source: https://docs.celeryq.dev/en/stable/userguide/optimizing.html
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from celery import Celery, group

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import TASKS

LEFT = "return redis.call('LLEN', 'celery') + redis.call('HLEN', 'unacked')"

_TUNED = {
    "worker_prefetch_multiplier": 64,
    "worker_disable_rate_limits": True,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "task_send_sent_event": False,
}
_FLAVOURS: dict[str, dict[str, Any]] = {
    "": {},
    "tuned": _TUNED,
    "greenlets": {**_TUNED, "result_backend_thread_safe": True},
}

app = Celery("peers", broker=URL, backend=URL)
app.conf.update(_FLAVOURS[os.environ.get("PEERS_FLAVOUR", "")])
_tasks = {
    name: app.task(name=name, ignore_result=name == "quiet")(function)
    for name, function in TASKS.items()
}


def send(task: str, number: int) -> Any:
    return _tasks[task].delay(number)


def send_many(task: str, numbers: Iterable[int]) -> Any:
    return group(_tasks[task].s(number) for number in numbers).apply_async().results


def result(handle: Any) -> Any:
    return handle.get(timeout=PATIENCE_S)


def key(handle: Any) -> str:
    return f"celery-task-meta-{handle.id}"
