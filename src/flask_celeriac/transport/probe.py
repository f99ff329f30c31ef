"""A connection of one's own to the broker, on which no question takes long."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

from celery import Celery
from kombu import Connection

#: Seconds for a connection or an answer, all tries together.
LIMIT_S = 2.0

#: redis-py tries three times.
_REDIS_S = LIMIT_S / 3
_TIMEOUTS: dict[str, dict[str, float]] = {
    "redis": {"socket_connect_timeout": _REDIS_S, "socket_timeout": _REDIS_S},
    "amqp": {"read_timeout": LIMIT_S, "write_timeout": LIMIT_S},
}


def bounded_connection(celery: Celery) -> Connection:
    """Return a new connection, not opened yet, of which each step ends within seconds."""
    connection = celery.connection_for_read(connect_timeout=LIMIT_S, heartbeat=0)
    timeouts = _TIMEOUTS.get(connection.transport.driver_type, {})
    connection.transport_options = {**(connection.transport_options or {}), **timeouts}
    return connection


def depth_by(
    channel: Any, queue: str, channel_errors: tuple[type[BaseException], ...]
) -> int | None:
    """Return the number of messages ready in *queue*; None where the broker does not say.

    An AMQP channel may be closed afterwards.
    """
    try:
        declared = channel.queue_declare(queue, passive=True)
    except channel_errors as error:
        # For Redis an empty queue does not exist.
        return 0 if _is_not_found(error) else None
    except NotImplementedError:
        return None
    return int(declared.message_count)


class BrokerProbe:
    """Asks the broker how many messages wait, and nothing else; connects when first asked.

    Not safe for several threads at once.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._connection: Connection | None = None
        self._channel: Any = None

    def depths(self, queues: Iterable[str]) -> dict[str, int | None]:
        """Return the number of messages ready in each queue; None where the broker does not say.

        Raises:
            OSError: The broker can not be reached, or does not answer in time.
        """
        connection: Any = self._open()
        unreachable = (*connection.connection_errors, OSError)
        try:
            return {queue: self._depth(connection, queue) for queue in queues}
        except unreachable as error:
            self.close()
            raise ConnectionError(f"{type(error).__name__}: {error}") from error

    def _open(self) -> Connection:
        connection: Any = self._connection
        if connection is None:
            connection = bounded_connection(self._celery)
            try:
                connection.connect()
            except (*connection.connection_errors, OSError) as error:
                with suppress(Exception):
                    connection.release()
                raise ConnectionError(f"{type(error).__name__}: {error}") from error
            self._connection = connection
        return cast("Connection", connection)

    def _depth(self, connection: Connection, queue: str) -> int | None:
        if self._channel is None:
            self._channel = connection.channel()
        depth = depth_by(self._channel, queue, connection.channel_errors)
        if not getattr(self._channel, "is_open", True):
            self._channel = None
        return depth

    def close(self) -> None:
        """Close the connection; safe to repeat. The next question opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.release()


def _is_not_found(error: BaseException) -> bool:
    code = getattr(error, "code", None) or getattr(error, "reply_code", None)
    return str(code) == "404" or "NOT_FOUND" in str(error) or "no queue" in str(error)
