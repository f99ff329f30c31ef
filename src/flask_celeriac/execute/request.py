"""A task on its way through a worker; `FlaskTask` names this class to Celery."""

from __future__ import annotations

import logging
from typing import Any

from celery.exceptions import WorkerLostError
from celery.worker import request as celery_request
from celery.worker import state

from flask_celeriac.transport.redis.channel import Channel

logger = logging.getLogger(__name__)


class Request(celery_request.Request):
    """Celery's, but a task that ended its pool process is counted by our transport."""

    _is_lost = False

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """As in Celery."""
        # A pool process sends an error in a wrapper that holds it as `exc`.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        # A cold shutdown ends the pool's processes too, and that is nobody's fault.
        self._is_lost = (
            isinstance(error, (WorkerLostError, SystemExit)) and state.should_terminate is None
        )
        return super().on_failure(exc_info, *args, **options)

    def acknowledge(self) -> None:
        """As in Celery, at once.

        Celery leaves it to the event loop, which does not turn any more while a worker that ends
        waits for its tasks; what is done would be given back with what is not.
        """
        if not self.acknowledged and isinstance(self.message.channel, Channel):
            self.message.ack_log_error(logger, self.connection_errors)
            self.acknowledged = True
        else:
            super().acknowledge()

    def reject(self, requeue: bool = False) -> None:
        """As in Celery; what ended its process too often becomes a dead letter."""
        channel = self.message.channel
        if requeue and self._is_lost and isinstance(channel, Channel) and not self.acknowledged:
            channel.crash(self.message.delivery_tag)
            self.acknowledged = True
        else:
            super().reject(requeue=requeue)
