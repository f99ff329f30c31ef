"""streaQ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from streaq import Worker

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import ASYNC_TASKS

LEFT = "return redis.call('XLEN', 'streaq:default:queues:normal')"

worker = Worker(redis_url=URL, concurrency=100, anyio_kwargs={"use_uvloop": True})
# Silent: no two lines in the log for each task.
_tasks: dict[str, Any] = {
    name: worker.task(name=name, silent=True, ttl=0 if name == "quiet" else 300)(function)
    for name, function in ASYNC_TASKS.items()
}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    async with worker:
        yield


async def send(task: str, number: int) -> Any:
    return await _tasks[task].enqueue(number)


async def send_many(task: str, numbers: Iterable[int]) -> Any:
    enqueue = _tasks[task].enqueue
    sent = [enqueue(number) for number in numbers]
    await worker.enqueue_many(sent)
    return sent


async def result(handle: Any) -> Any:
    return (await handle.result(timeout=PATIENCE_S)).result


def key(handle: Any) -> str:
    return f"streaq:default:task:results:{handle.id}"
