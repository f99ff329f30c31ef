"""What a late run must not do: begin, and send what follows its task.

Links of its chain, callbacks and error callbacks are sent by Celery before it stores the result, so
that the fence of the result comes too late for them. The run that has the claim sends them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from celery.exceptions import Reject

from flask_celeriac.enqueue.parent import parent_of
from flask_celeriac.transport.redis import lease_end
from flask_celeriac.transport.redis.keys import claim_of

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)


def refuse_late_start(task: Any) -> None:
    """Let a task go that waited for a process of the pool when its worker has lost the claim.

    A worker that was frozen goes on where it was, and its pool with it. In threads and greenlets
    `execute.request` sees to it. Where broker and backend are two databases this can not be known
    (see `record.fence`).

    Raises:
        Reject: Others have the task.
    """
    if not lease_end.is_of_parent():
        return
    claim = claim_of((task.request.properties or {}).get("delivery_tag"))
    if claim and lease_end.is_doubtful(claim[1]) and _is_late(task):
        logger.warning("Task %s is not started: this worker was taken for dead.", task.request.id)
        raise Reject("its worker was taken for dead", requeue=True)


def is_sent_by_late_run(celery: Celery, name: str, options: Mapping[str, Any]) -> bool:
    """Tell whether Celery sends the task *name* for a run that has lost its claim.

    What tasks send themselves comes without `parent_id` and is sent always.
    """
    parent_id = options.get("parent_id")
    task = parent_of(celery) if parent_id else None
    if task is None or task.request.id != parent_id:
        return False
    if not _is_late(task):
        return False
    logger.warning("%r is not sent after task %s: this was a late run.", name, parent_id)
    return True


def _is_late(task: Any) -> bool:
    is_late = getattr(task.app.backend, "is_late", None)
    return is_late is not None and is_late(task.request)
