"""arq."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop
from arq import create_pool, func
from arq.connections import ArqRedis, RedisSettings

from benchmarks.peers.client import PATIENCE_S, URL
from benchmarks.peers.work import ASYNC_TASKS

LEFT = "return redis.call('ZCARD', 'arq:queue')"

uvloop.install()

#: It would write two lines for each task.
LOG = {"version": 1, "loggers": {"arq": {"level": "WARNING"}}}

#: Its worker and its waiters poll, by default twice a second.
_POLL_S = 0.005
_redis = RedisSettings.from_dsn(URL or "redis://127.0.0.1")
_pool: ArqRedis


def _in_context(function: Callable[[int], Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def run(_: dict[Any, Any], number: int) -> Any:
        return await function(number)

    return run


class WorkerSettings:
    """What `arq` reads."""

    functions = tuple(
        func(_in_context(function), name=name, keep_result=0 if name == "quiet" else 3600)
        for name, function in ASYNC_TASKS.items()
    )
    redis_settings = _redis
    max_jobs = 100
    poll_delay = _POLL_S
    log_results = False


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    global _pool
    _pool = await create_pool(_redis)
    yield
    await _pool.aclose()


async def send(task: str, number: int) -> Any:
    return await _pool.enqueue_job(task, number)


async def result(handle: Any) -> Any:
    return await handle.result(timeout=PATIENCE_S, poll_delay=0.001)


def key(handle: Any) -> str:
    return f"arq:result:{handle.job_id}"
