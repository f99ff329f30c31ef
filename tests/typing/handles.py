"""Checked by mypy and pyright, never run: what the types of task handles promise."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, assert_type

from celery import chain, group

from flask_celeriac import AsyncResult, AsyncResults, Celeriac

celeriac = Celeriac()


@celeriac.task
def log(message: str) -> str:
    return message


@celeriac.task(max_retries=3, autoretry_for=(OSError,))
def multiply(x: int, y: int = 2) -> int:
    return x * y


@celeriac.task(bind=True)
def calc(self: Any, n: int) -> int:
    return n + 1


@celeriac.task
async def fetch(url: str) -> bytes:
    return url.encode()


assert_type(log.delay("x"), AsyncResult[str])
assert_type(log.delay("x").get(), str)
assert_type(log.delay("x").get(timeout=3), str)
assert_type(log.apply_async(("x",), countdown=1), AsyncResult[str])
assert_type(log("x"), str)
assert_type(multiply.delay(2, y=3).get(), int)
assert_type(calc.delay(1).get(), int)
assert_type(calc.delay(n=1), AsyncResult[int])
assert_type(fetch.delay("x").get(), bytes)
_ = assert_type(fetch("x"), Coroutine[Any, Any, bytes])
assert_type(log.name, str)

chain(log.s("x"), multiply.s(2))
group(log.s("x"), log.si("y"))

log.delay(1)  # type: ignore[arg-type]
log.delay()  # type: ignore[call-arg]
log.delay("x", "y")  # type: ignore[call-arg]
multiply.delay(x="2")  # type: ignore[arg-type]
calc.delay()  # type: ignore[call-arg]
log(1)  # type: ignore[arg-type]

assert_type(log.enqueue_many([(("x",), {})]), AsyncResults[str])
assert_type(log.enqueue_many([log.s("x")], countdown=1)[0].get(), str)
assert_type(log.enqueue_many([(["x"], {})])[1:], AsyncResults[str])
assert_type([result.get() for result in multiply.enqueue_many([((2,), {"y": 3})])], list[int])
log.enqueue_many([("x",)])  # type: ignore[list-item]
