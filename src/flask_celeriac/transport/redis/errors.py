"""What a server says when another connection, or a later one, is the remedy."""

from __future__ import annotations

import re
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError

# Redis before 7 puts what a command in a script was told behind a text of its own.
_REMEDIED = re.compile(
    r"(?:^|: -)(?:UNBLOCKED|BUSY|READONLY|MASTERDOWN|LOADING|NOREPLICAS|MISCONF|OOM)\b", re.ASCII
)


def is_lost_connection(error: ResponseError) -> bool:
    """Return whether the remedy for *error* is to connect anew, at once or later.

    A server that was demoted, has lost its replicas, whose disk failed or memory is full takes no
    writes, and one that is busy with somebody's script nothing; what it refused did nothing.
    """
    # redis-py takes the code away where it has a class for it.
    return isinstance(error, (ReadOnlyError, OutOfMemoryError)) or bool(
        _REMEDIED.search(str(error))
    )


class _Heeding:
    """A connection that is lost when the server says so."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """As in redis-py.

        Raises:
            redis.exceptions.ConnectionError: Also where the server refuses for now.
        """
        connection: Any = super()
        try:
            return connection.read_response(*args, **kwargs)
        except ResponseError as error:
            if not is_lost_connection(error):
                raise
            connection.disconnect()
            raise RedisConnectionError(str(error)) from error


def heeding(connection_class: type[Any]) -> type[Any]:
    """Return *connection_class*, of which what `is_lost_connection` knows are connection errors."""
    if issubclass(connection_class, _Heeding):
        return connection_class
    return type(connection_class.__name__, (_Heeding, connection_class), {})
