"""What a late run would send after its end: links of its chain, callbacks, error callbacks.

Celery sends them before it stores the result, so that the fence of the result comes too late for
them. The run that has the claim sends them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)


def is_sent_by_late_run(celery: Celery, name: str, options: Mapping[str, Any]) -> bool:
    """Tell whether Celery sends the task *name* for a run that has lost its claim.

    What tasks send themselves comes without `parent_id` and is sent always.
    """
    parent_id = options.get("parent_id")
    task: Any = celery.current_worker_task
    if not parent_id or task is None or task.request.id != parent_id:
        return False
    is_late = getattr(celery.backend, "is_late", None)
    if is_late is None or not is_late(task.request):
        return False
    logger.warning("%r is not sent after task %s: this was a late run.", name, parent_id)
    return True
