"""rq, with the worker that does not fork for each task."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import TASKS

LEFT = """
return redis.call('LLEN', 'rq:queue:default') + redis.call('ZCARD', 'rq:wip:default')
    + redis.call('LLEN', 'rq:queue:default:intermediate')
"""

_queue = Queue(connection=Redis.from_url(URL))
#: 0: nothing is kept.
_TTLS_S = {"quiet": 0}


def send(task: str, number: int) -> Any:
    return _queue.enqueue(TASKS[task], number, result_ttl=_TTLS_S.get(task, 500))


def send_many(task: str, numbers: Iterable[int]) -> Any:
    function, ttl_s = TASKS[task], _TTLS_S.get(task, 500)
    return _queue.enqueue_many(
        [Queue.prepare_data(function, (number,), result_ttl=ttl_s) for number in numbers]
    )


def result(handle: Any) -> Any:
    found = handle.latest_result(timeout=PATIENCE_S)
    return found and found.return_value


def key(handle: Any) -> str:
    return f"rq:results:{handle.id}"
