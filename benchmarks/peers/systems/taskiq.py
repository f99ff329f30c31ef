"""taskiq on Redis: lists, or streams with `PEERS_FLAVOUR=stream`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskiq import TaskiqResult
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import ASYNC_TASKS

_IS_STREAM = os.environ.get("PEERS_FLAVOUR") == "stream"
_LIST_LEFT = "return redis.call('LLEN', 'taskiq')"
_STREAM_LEFT = """
local left = 0
for _, group in ipairs(redis.call('XINFO', 'GROUPS', 'taskiq')) do
    for place = 1, #group, 2 do
        if group[place] == 'pending' or group[place] == 'lag' then
            left = left + group[place + 1]
        end
    end
end
return left
"""
LEFT = _STREAM_LEFT if _IS_STREAM else _LIST_LEFT


class _Backend(RedisAsyncResultBackend[Any]):
    """Leaves away what the task's label says; taskiq itself can do so for all tasks only."""

    async def set_result(self, task_id: str, result: TaskiqResult[Any]) -> None:
        if "quiet" not in result.labels:
            await super().set_result(task_id, result)


_make = RedisStreamBroker if _IS_STREAM else ListQueueBroker
# By default redis-py gives up reading after five seconds. A worker that waits for longer, as one
# that is held, ends then.
broker = _make(URL, socket_timeout=None).with_result_backend(_Backend(URL, result_ex_time=3600))
_tasks = {
    name: broker.task(task_name=name, **({"quiet": 1} if name == "quiet" else {}))(function)
    for name, function in ASYNC_TASKS.items()
}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def send(task: str, number: int) -> Any:
    return await _tasks[task].kiq(number)


async def result(handle: Any) -> Any:
    # It polls, by default five times a second.
    found = await handle.wait_result(check_interval=0.001, timeout=PATIENCE_S)
    return found.return_value


def key(handle: Any) -> str:
    return str(handle.task_id)
