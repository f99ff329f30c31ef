"""`async def` tasks, on one event loop for each pool child or thread.

The loop is kept between runs, so that what is bound to it (an HTTP client's connections, a
database pool) can be kept too.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from flask_celeriac.errors import AsyncUnsupported

if TYPE_CHECKING:
    import asyncio

_Function = Callable[..., Coroutine[Any, Any, Any]]


class _Loop(threading.local):
    """The event loop of this thread; closed when the thread ends."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._pid = 0

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        import asyncio  # costs more than all of this package: only who uses it pays

        if self._runner is None or self._pid != os.getpid():
            # A loop that came through a fork shares its selector with the parent: never touch it.
            self._runner, self._pid = asyncio.Runner(), os.getpid()
        try:
            return self._runner.run(coroutine, context=copy_context())
        except Exception:
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._runner is not None and self._pid == os.getpid():
            self._runner.close()
        self._runner = None

    def __del__(self) -> None:
        self.close()


_loop = _Loop()


def on_loop(task: Any, function: _Function) -> Any:
    """Make *function*, the coroutine function of *task*, a plain one that workers can run.

    Called directly (``await log("x")``), it stays the coroutine function that was written.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if task.request.called_directly:
            return function(*args, **kwargs)
        _refuse_greenlets(task.name)
        return _run(function(*args, **kwargs))

    return staticmethod(run)


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    if _is_loop_running():
        # An eager run inside an async view: its loop is busy with us, so another thread's is used.
        return _run_in_thread(coroutine)
    return _loop.run(coroutine)


def _is_loop_running() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run_in_thread(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(copy_context().run, asyncio.run, coroutine).result()


def _refuse_greenlets(name: str) -> None:
    gevent = sys.modules.get("gevent.monkey")
    eventlet = sys.modules.get("eventlet.patcher")
    if (gevent and gevent.is_module_patched("threading")) or (
        eventlet and eventlet.is_monkey_patched("thread")
    ):
        raise AsyncUnsupported(
            f"The task {name!r} is `async def` and can not run in the gevent or eventlet pool: "
            "start its worker with `--pool prefork`, `threads` or `solo`."
        )
