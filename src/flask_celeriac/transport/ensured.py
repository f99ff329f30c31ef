"""Something done over a connection of kombu's, and again when that is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class _Revived:
    """What kombu's `ensure` tells of a new channel; each attempt asks for the channel anyway."""

    def revive(self, channel: Any) -> None:
        pass


_REVIVED = _Revived()


def ensured(
    connection: Any, act: Callable[[], T], policy: Mapping[str, Any], producer: Any = None
) -> T:
    """Return what *act* does, which asks the connection for its channel each time.

    Args:
        policy: As of `task_publish_retry_policy`.
        producer: Of kombu, which goes on with the new connection.

    Raises:
        kombu.exceptions.OperationalError: It failed as often as *policy* allows.
    """
    done: T = connection.ensure(producer or _REVIVED, act, **policy)()
    return done
