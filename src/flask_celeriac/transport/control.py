"""Remote control of workers, with cancellations that outlive them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from celery.app import control

from .redis.channel import Channel


class Control(control.Control):
    """Celery's, with a `revoke` that is kept in Redis on our transport."""

    def revoke(self, task_id: str | Iterable[str], *args: Any, **options: Any) -> Any:
        """As in Celery. A task that has not started never will, whatever is restarted.

        Raises:
            kombu.exceptions.OperationalError: The broker does not answer; the task may or may not
                be cancelled. Safe to repeat.
        """
        ids = [task_id] if isinstance(task_id, str) else list(task_id)
        with self.app.connection_for_write() as connection:
            _cancel(connection.default_channel, ids)
        return super().revoke(task_id if isinstance(task_id, str) else ids, *args, **options)


def _cancel(channel: Any, ids: list[str]) -> None:
    if isinstance(channel, Channel):
        for id_ in ids:
            channel.store.cancel(id_)
