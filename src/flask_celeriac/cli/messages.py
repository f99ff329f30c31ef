"""The messages in Redis as the commands see them: our transport, or a clear line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .broker import BrokerUnreachable, masked, reached

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Connection

    from flask_celeriac.transport.redis.store import MessageStore


@contextmanager
def opened(celery: Celery) -> Iterator[MessageStore]:
    """Reach the messages of *celery*, for as long as the block lasts.

    Raises:
        BrokerUnreachable: The broker does not answer, or refused in the middle.
        click.ClickException: Its messages are not carried by our transport.
    """
    from redis.exceptions import RedisError

    with reached(celery) as connection:
        store = store_of(connection)
        if store is None:
            raise click.ClickException(
                f"The broker {masked(celery)} is not reached by Flask-Celeriac's Redis transport, "
                "which alone keeps such messages: see CELERIAC_TRANSPORT."
            )
        try:
            yield store
        except (RedisError, OSError) as error:
            line = (str(error).splitlines() or [type(error).__name__])[0]
            raise BrokerUnreachable(f"The broker {masked(celery)} refused: {line}") from None


def store_of(connection: Connection) -> MessageStore | None:
    """Return the messages behind a connection; None when another transport carries them."""
    from flask_celeriac.transport.redis.channel import Channel

    channel: Any = connection.default_channel
    return channel.store if isinstance(channel, Channel) else None
