"""A fresh app context around every run of a task.

It is pushed by the loader's `on_task_init`, Celery's hook before a task is executed (an error there
fails the task), and popped by `task_postrun`, which Celery sends whatever became of the run. So the
task's own handlers (`before_start`, `on_success`, `on_failure`, `after_return`), its callbacks and
the next link of its chain are inside; receivers of `task_prerun` and `task_postrun` are not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from celery import signals
from flask import g
from flask.ctx import AppContext

from . import carry
from .request_id import REQUEST_ID

_Hook = Callable[[str, Any], Any]


@dataclass(slots=True)
class _Run:
    context: AppContext


_run: ContextVar[_Run | None] = ContextVar("flask_celeriac.run", default=None)


def entering(hook: _Hook) -> _Hook:
    """Wrap a loader's *hook*, so that the app context is there first."""
    if getattr(hook, "is_entering", False):
        return hook

    def on_task_init(task_id: str, task: Any) -> Any:
        _enter(task)
        return hook(task_id, task)

    on_task_init.is_entering = True  # type: ignore[attr-defined]
    return on_task_init


def _enter(task: Any) -> None:
    # A run whose end was cut short, as by a time limit at the wrong moment, leaves its context.
    _leave(None)
    state = task.app.celeriac
    _run.set(run := _Run(state.app.app_context()))
    run.context.push()
    received = carry.received(task.request)
    setattr(g, REQUEST_ID, received.request_id or task.request.id)
    carry.restore(state.carriers, received)


def _leave(error: BaseException | None) -> None:
    run = _run.get()
    if run is not None:
        _run.set(None)
        run.context.pop(error)


@signals.task_postrun.connect(weak=False, dispatch_uid="flask_celeriac.declare.context")
def _on_postrun(retval: Any = None, **_: Mapping[str, Any]) -> None:
    if _run.get() is not None:
        _leave(retval if isinstance(retval, BaseException) else sys.exc_info()[1])
