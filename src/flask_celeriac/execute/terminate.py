"""Tasks that were asked to end and went on, ended where the pool can: a command for workers."""

from __future__ import annotations

import logging
from typing import Any

from celery.concurrency.base import BasePool
from celery.worker import state as worker_state
from celery.worker.control import control_command

from .cancel import TERMINATE_LATER

logger = logging.getLogger(__name__)


@control_command(
    name=TERMINATE_LATER,
    args=[("task_id", str), ("after_s", float)],
    signature="<task_id> <seconds>",
)
def terminate_later(state: Any, task_id: str, after_s: float) -> Any:
    """End a running task after *after_s* seconds, where the pool can and it still runs."""
    request = next((each for each in worker_state.active_requests if each.id == task_id), None)
    if request is None:
        return {"ok": "it does not run here"}
    pool = state.consumer.pool
    if not _can_terminate(pool):
        logger.warning(
            "Task %s was cancelled and goes on: the pool %s can not end it. Let the task call"
            " celeriac.raise_if_cancelled().",
            task_id,
            type(pool).__name__,
        )
        return {"error": "this pool can not end a running task"}

    def terminate() -> None:
        if request in worker_state.active_requests:
            logger.warning("Task %s was cancelled %g s ago and is ended now", task_id, after_s)
            request.terminate(pool)

    state.consumer.timer.call_after(max(after_s, 0.0), terminate)
    return {"ok": f"it is ended in {after_s:g} s, if it still runs"}


def _can_terminate(pool: Any) -> bool:
    """Tell whether *pool* can end one task; the base class has a method that raises."""
    return "terminate_job" in vars(pool) or type(pool).terminate_job is not BasePool.terminate_job
