"""Flask-Celeriac with the settings that it comes with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Flask

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import TASKS
from flask_celeriac import Celeriac

LEFT = """
local left = redis.call('LLEN', 'celery')
for _, incarnation in ipairs(redis.call('ZRANGE', 'celeriac:1:workers', 0, -1)) do
    left = left + redis.call('HLEN', 'celeriac:1:claims:' .. incarnation)
end
return left
"""

celeriac = Celeriac()
_tasks: dict[str, Any] = {
    name: celeriac.task(name=name, ignore_result=name == "quiet")(function)
    for name, function in TASKS.items()
}
flask_app = Flask("peers")
flask_app.config["CELERY"] = {"broker_url": URL, "result_backend": URL}
celeriac.init_app(flask_app)


def send(task: str, number: int) -> Any:
    return _tasks[task].delay(number)


def send_many(task: str, numbers: Iterable[int]) -> Any:
    return _tasks[task].enqueue_many([((number,), {}) for number in numbers])


def result(handle: Any) -> Any:
    return handle.get(timeout=PATIENCE_S)


def key(handle: Any) -> str:
    return f"celery-task-meta-{handle.id}"
