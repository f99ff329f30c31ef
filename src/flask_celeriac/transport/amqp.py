"""Celery's AMQP object with connections that are shown under the stock scheme."""

from __future__ import annotations

from typing import Any

from celery.app import amqp
from kombu import Connection

from .redis import urls


class ShownConnection(Connection):
    """A kombu connection of which people, logs and Flower see the URL they know."""

    def as_uri(self, *args: Any, **options: Any) -> str:
        """As in kombu; `redis://` where our transport is used."""
        return urls.stock(str(super().as_uri(*args, **options)))


class AMQP(amqp.AMQP):
    """Celery's, but it makes such connections."""

    Connection = ShownConnection
