"""Give back what killed workers were running, on the embedded server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask_celeriac.declare.state import AppState

_LOOKS = 10
_LOOK_S = 0.05


def give_back(state: AppState) -> int:
    """Put every message that was delivered and not acknowledged back into its queue.

    For the embedded server alone, and only while no worker of `up` lives: there, nobody
    else has such messages. A worker that somebody started beside `up` is noticed, and then
    nothing is done. No attempt is counted: `up` itself has ended the workers.

    Returns:
        How many messages were given back.

    Raises:
        Exception: What the server or the transport said; some may have been given back.
    """
    with state.celery.connection_for_write() as connection:
        channel = connection.default_channel
        if _has_other_worker(channel.client):
            return 0
        return _give_back_claims(channel) + _give_back_unacked(channel)


def _give_back_claims(channel: Any) -> int:
    """End the leases at once, on which others would wait for half a minute."""
    from flask_celeriac.transport.redis.channel import Channel

    if not isinstance(channel, Channel):
        return 0
    store = channel.store
    return sum(store.leave(incarnation) for incarnation in store.leases())


def _give_back_unacked(channel: Any) -> int:
    """The same for workers on Celery's own transport: `CELERIAC_TRANSPORT` may have changed."""
    tags = channel.client.hkeys(channel.unacked_key)
    for tag in tags:
        channel.qos.restore_by_tag(tag, leftmost=True)
    return len(tags)


def _has_other_worker(client: Any) -> bool:
    """Say whether somebody listens for remote control, as every worker does."""
    for _ in range(_LOOKS):
        # Connections of workers that were just killed need a moment to vanish.
        if all(connection["psub"] == "0" for connection in client.client_list()):
            return False
        time.sleep(_LOOK_S)
    return True
