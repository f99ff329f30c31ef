"""A worker asks, before it takes anything, whether its Redis is a safe place for messages."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from celery.exceptions import WorkerShutdown
from redis.exceptions import ResponseError

from flask_celeriac.transport.redis.channel import Channel
from flask_celeriac.transport.redis.safety import judge

EXIT_UNSAFE = os.EX_CONFIG

logger = logging.getLogger(__name__)


def examine(celery: Any, connection: Any, *, is_first: bool) -> None:
    """Refuse a server that may delete messages, and name what else is unsafe.

    Args:
        connection: Open.
        is_first: Else the worker goes on whatever it finds, as after a failover: others wait
            for the tasks that it runs.

    Raises:
        WorkerShutdown: The server is refused; nothing was taken.
    """
    channel = connection.default_channel
    if not isinstance(channel, Channel):
        return
    remarks = judge(_info(channel.store.client), require_durable=_must_be_durable(celery))
    for remark in remarks:
        if remark.is_refused and is_first:
            logger.critical("This worker does not start. %s %s", remark.says, remark.remedy)
            raise WorkerShutdown(EXIT_UNSAFE)
        if remark.level != "ok":
            level = logging.ERROR if remark.level == "error" else logging.WARNING
            logger.log(level, "%s %s", remark.says, remark.remedy)


def _info(client: Any) -> Mapping[str, Any]:
    try:
        info: Mapping[str, Any] = client.info()
    except ResponseError:
        return {}  # managed servers may forbid INFO
    return info


def _must_be_durable(celery: Any) -> bool:
    """Return CELERIAC_REQUIRE_DURABLE; a plain Celery app has no such setting."""
    state = getattr(celery, "celeriac", None)
    return state is not None and bool(state.settings.require_durable)
