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
from typing import Any

from celery import signals
from flask.ctx import AppContext

from . import carry, recorded
from .late import refuse_late_start
from .request_id import REQUEST_ID

_Hook = Callable[[str, Any], Any]


class Run:
    """One run of a task in this thread, greenlet or coroutine.

    Attributes:
        task: Celery's; its `request` is that of the run.
        untold: Returns the latest progress of the run, where that was not told yet.
        attachment: Of whoever keeps something for the run.
        has_retried: Whether it has sent the task again.
    """

    __slots__ = ("app_context", "attachment", "has_retried", "task", "untold")

    def __init__(self, task: Any, app_context: AppContext) -> None:
        self.task, self.app_context = task, app_context
        self.untold: Callable[[], Mapping[str, Any] | None] = _nothing
        self.attachment: Any = None
        self.has_retried = False


def _nothing() -> None:
    return None


_run: ContextVar[Run | None] = ContextVar("flask_celeriac.run", default=None)
#: Returns the run that is under way here; None outside of tasks.
current_run = _run.get


def entering(hook: _Hook) -> _Hook:
    """Wrap a loader's *hook*, so that the app context is there first."""
    if getattr(hook, "is_entering", False):
        return hook

    def on_task_init(task_id: str, task: Any) -> Any:
        refuse_late_start(task)
        _enter(task_id, task)
        return hook(task_id, task)

    on_task_init.is_entering = True  # type: ignore[attr-defined]
    return on_task_init


def _enter(task_id: str, task: Any) -> None:
    # A run whose end was cut short, as by a time limit at the wrong moment, leaves its context.
    _leave(None)
    state = task.app.celeriac
    context = state.app.app_context()
    _run.set(Run(task, context))
    context.push()
    header = carry.header_of(task.request)
    setattr(context.g, REQUEST_ID, carry.request_id_in(header) or task_id)
    carry.restore(state.carriers, context.g, header)
    recorded.note_start(task)


def _leave(error: BaseException | None) -> None:
    run = _run.get()
    if run is not None:
        _run.set(None)
        run.app_context.pop(error)


@signals.task_postrun.connect(weak=False, dispatch_uid="flask_celeriac.declare.context")
def _on_postrun(retval: Any = None, state: str | None = None, **_: Any) -> None:
    run = _run.get()
    if run is not None:
        try:
            recorded.note_end(run, state, retval)
        finally:
            _leave(retval if isinstance(retval, BaseException) else sys.exc_info()[1])
