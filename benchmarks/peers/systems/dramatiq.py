"""dramatiq on Redis, with its own result backend."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import TASKS

LEFT = "return redis.call('HLEN', 'dramatiq:default.msgs')"

_backend = RedisBackend(url=URL)
broker = RedisBroker(url=URL)
broker.add_middleware(Results(backend=_backend))
dramatiq.set_broker(broker)
_tasks = {
    name: dramatiq.actor(actor_name=name, store_results=name != "quiet")(function)
    for name, function in TASKS.items()
}


def send(task: str, number: int) -> Any:
    return _tasks[task].send(number)


def result(handle: Any) -> Any:
    return handle.get_result(block=True, timeout=PATIENCE_S * 1000)


def key(handle: Any) -> str:
    return _backend.build_message_key(handle)
