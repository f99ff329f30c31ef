"""saq on Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvloop
from saq import Queue, Status

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import ASYNC_TASKS

LEFT = "return redis.call('ZCARD', 'saq:default:incomplete')"
# A task is one key from its beginning; the result comes into it.
KEPT = """
local kept = 0
for _, id in ipairs(ARGV) do
    local task = redis.call('GET', id)
    if task and string.find(task, '"status": "complete"', 1, true) then kept = kept + 1 end
end
return kept
"""

uvloop.install()
queue = Queue.from_url(URL)


def _in_context(function: Callable[[int], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def run(_: dict[str, Any], *, number: int) -> Any:
        return await function(number)

    return run


settings = {
    "queue": queue,
    "functions": [(name, _in_context(function)) for name, function in ASYNC_TASKS.items()],
    "concurrency": 100,
}


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def send(task: str, number: int) -> Any:
    # -1: nothing is kept.
    return await queue.enqueue(task, number=number, ttl=-1 if task == "quiet" else 600)


async def result(handle: Any) -> Any:
    # A result that comes between its look at the task and its subscription is missed.
    for _ in range(PATIENCE_S):
        with suppress(TimeoutError):
            await handle.refresh(until_complete=1)
            break
    if handle.status != Status.COMPLETE:
        raise RuntimeError(f"{handle.status}: {handle.error}")
    return handle.result


async def call(number: int) -> Any:
    # It polls, by default twice a second.
    return await queue.apply("noop", number=number, timeout=PATIENCE_S, poll_interval=0.001)


def key(handle: Any) -> str:
    return str(handle.id)
