"""What Redis says when a connection, a failover or its configuration is the trouble."""

from __future__ import annotations

from redis.exceptions import ReadOnlyError, ResponseError

# A replica that was promoted or demoted answers so, and a new connection finds the right server.
_LOST = ("UNBLOCKED", "READONLY", "MASTERDOWN", "LOADING")

#: Besides those that kombu knows: a write to a server that became a replica.
CONNECTION_ERRORS = (ReadOnlyError,)


def is_lost_connection(error: ResponseError) -> bool:
    """Return whether a new connection is the remedy for *error*."""
    return str(error).startswith(_LOST)
