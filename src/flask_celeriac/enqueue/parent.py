"""Which task sends another.

To ask Celery takes as long as to encode the arguments, and where no task has ever run, as in most
web processes, the answer is known. This has to be imported before any does.
"""

from __future__ import annotations

from typing import Any

from celery import signals

#: A worker begins in this process, or the first task is about to run in it, eagerly or not.
_BEGINNINGS: Any = (signals.celeryd_init, signals.task_prerun)
_UID = "flask_celeriac.enqueue.parent"

_may_run = False


def parent_of(celery: Any) -> Any:
    """Return the task of a worker that runs here, as `Celery.current_worker_task`; else None."""
    return celery.current_worker_task if _may_run else None


def _on_beginning(**_: Any) -> None:
    global _may_run
    _may_run = True
    # A task pays for each receiver.
    for beginning in _BEGINNINGS:
        beginning.disconnect(dispatch_uid=_UID)


for _beginning in _BEGINNINGS:
    _beginning.connect(_on_beginning, weak=False, dispatch_uid=_UID)
