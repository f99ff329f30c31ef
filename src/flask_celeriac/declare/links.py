"""Callbacks and links of chains are sent once, also when their task runs twice.

A worker that was taken for dead may go on: then its task runs a second time, and both runs send
what follows. Both have the same message, so the second publish is known and adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import current_task

from flask_celeriac.transport.redis.messages import ORIGIN

_COUNT = "_celeriac_links"


def token_of(options: Mapping[str, Any]) -> str | None:
    """Return the publish token of what a finished task sends on; None for all other sends.

    Celery names the parent of links and callbacks itself, and lets `send_task` find that of
    tasks that the user's code sends.

    Args:
        options: Of `send_task`.
    """
    parent = options.get("parent_id")
    request = current_task.request if parent and current_task else None
    if request is None or request.id != parent:
        return None
    origin = (request.properties or {}).get(ORIGIN)
    if origin is None:
        return None
    count = getattr(request, _COUNT, 0) + 1
    setattr(request, _COUNT, count)
    return f"link:{origin}:{count}"
