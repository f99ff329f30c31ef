"""A consumer that loses no message that it can not run. `attach` names it to a Celery app."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from celery.concurrency.base import BasePool
from celery.worker import consumer as celery_consumer
from celery.worker import state

from flask_celeriac.transport.redis.channel import Channel

from . import keeping, pools
from .claims import Claims
from .request import Request
from .safety import examine

logger = logging.getLogger(__name__)

# The next try after a lost connection comes at once, then each second: a broker that is back
# after an outage finds its workers within seconds.
_RETRY: dict[str, float] = {"interval_start": 0.2, "interval_step": 0.5, "interval_max": 2.0}


class Consumer(celery_consumer.Consumer):
    """Celery's, but for messages without a task: parked or dead on our transport, not gone."""

    _has_connected = False

    def connect(self) -> Any:
        """As in Celery; an unsafe server is refused at the start."""
        connection = super().connect()
        # Here and not in a bootstep: mingling comes first, and fails on a Redis Cluster.
        examine(self.app, connection, is_first=not self._has_connected)
        self._has_connected = True
        return connection

    def update_strategies(self) -> None:
        """As in Celery; tasks that stay in this process are not encoded on their way."""
        Request.is_run_here = pools.runs_here(self.pool)
        super().update_strategies()

    def ensure_connected(self, conn: Any) -> Any:
        """As in Celery, trying again sooner."""
        conn.ensure_connection = partial(conn.ensure_connection, **_RETRY)
        return super().ensure_connected(conn)

    def cancel_active_requests(self) -> None:
        """As in Celery at the end of the grace; tasks that can not be ended end the process."""
        if state.active_requests and not _can_end_tasks(self.pool) and (claims := self._claims()):
            claims.exit_with_tasks(self)
        super().cancel_active_requests()

    def on_close(self) -> None:
        """As in Celery, but what the pool was given stays its own: the claims are still there."""
        claims = self._claims()
        if claims is None or not claims.has_begun:
            super().on_close()
            return
        buckets: dict[str, Any] = self.task_buckets  # type: ignore[attr-defined]
        for bucket in buckets.values():
            if bucket:
                bucket.clear_pending()
        keeping.flush(self.pool)

    def _claims(self) -> Claims | None:
        steps: list[Any] = self.steps  # type: ignore[attr-defined]
        return next((step for step in steps if isinstance(step, Claims)), None)

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Park the message until a worker knows its task, as after a deployment."""
        channel = message.channel
        if not isinstance(channel, Channel):
            super().on_unknown_task(body, message, exc)
            return
        task = _task_of(message)
        if not task:
            self.on_unknown_message(body, message)
            return
        logger.warning("The task %r is not known here: parked until a worker knows it.", task)
        channel.park(message.delivery_tag, task)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Keep what is no task message as a dead letter."""
        if not self._bury(message, "not a task message"):
            super().on_unknown_message(body, message)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Keep a task message that can not be understood as a dead letter."""
        if not self._bury(message, f"invalid task message: {exc}"):
            super().on_invalid_task(body, message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Keep what can not be decoded, or may not be, as a dead letter."""
        if not self._bury(message, f"can not be decoded: {exc}"):
            super().on_decode_error(message, exc)

    def _bury(self, message: Any, reason: str) -> bool:
        if not isinstance(message.channel, Channel):
            return False
        message.channel.discard_delivery(message.delivery_tag, reason)
        return True


def _can_end_tasks(pool: Any) -> bool:
    """Tell whether *pool* can end one task so that it counts as not done: in its own process."""
    can_try = type(pool).terminate_job is not BasePool.terminate_job
    return can_try and not getattr(pool, "is_green", False)


def _task_of(message: Any) -> str:
    """Return the name of the task, of either protocol; "" where it has none."""
    payload = message.payload
    name = message.headers.get("task") or (isinstance(payload, dict) and payload.get("task"))
    return str(name or "")
