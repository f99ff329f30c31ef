"""How many messages may wait in a queue before no more tasks are taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kombu.transport import virtual

from flask_celeriac.errors import QueueFull
from flask_celeriac.transport.ensured import ensured
from flask_celeriac.transport.probe import depth_by

_EVERY_OTHER = "*"
_ONCE = {"max_retries": 0}
_PLACES = ("queue", "exchange", "routing_key")


def require_room(task: Any, options: Mapping[str, Any] | None = None) -> None:
    """Make sure that a message of *task*, one of Celery's, may wait where it would go.

    Where no limit is set this costs nothing. What is sent meanwhile by others is not seen: a limit
    may be passed by as many as send at once.

    Args:
        options: Of `apply_async`.

    Raises:
        QueueFull: As many as may wait do. Nothing was sent.
        kombu.exceptions.OperationalError: The broker does not say. Nothing was sent.
    """
    celery = task.app
    limits = celery.celeriac.settings.queue_limits
    if not limits or celery.conf.task_always_eager:
        return
    queue = _queue_of(task, options or {})
    limit = limits.get(queue, limits.get(_EVERY_OTHER)) if queue else None
    if queue is None or limit is None:
        return
    depth = _depth(celery, queue)
    if depth is not None and depth >= limit:
        raise QueueFull(
            f"The queue {queue!r} has {depth} messages, and {limit} may wait there. Nothing was "
            "sent; send again later."
        )


def _queue_of(task: Any, options: Mapping[str, Any]) -> str | None:
    """Return the queue that Celery would choose; None where an exchange decides."""
    own = {place: getattr(task, place, None) for place in _PLACES}
    own.update({place: options.get(place) for place in _PLACES if options.get(place)})
    given = {place: value for place, value in own.items() if value}
    route = task.app.amqp.router.route(given, task.name, (), {}, task)
    queue = route.get("queue")
    return queue and str(getattr(queue, "name", queue))


def _depth(celery: Any, queue: str) -> int | None:
    """Return how many messages are ready in *queue*; None where this broker does not count.

    It takes no longer than to send a message, over a connection of the same pool.
    """
    conf = celery.conf
    policy = dict(conf.task_publish_retry_policy if conf.task_publish_retry else _ONCE)
    count = _count_ours if celery.celeriac.settings.is_carried_by_us else _count
    with celery.pool.acquire(block=True, timeout=conf.broker_pool_acquire_timeout) as connection:
        # kombu's producer does so: connecting, too, ends by this policy.
        connection.transport_options.update(policy)
        return ensured(connection, lambda: count(connection, queue), policy)


def _count_ours(connection: Any, queue: str) -> int:
    size: int = connection.default_channel.store.size(queue)
    return size


def _count(connection: Any, queue: str) -> int | None:
    errors = connection.channel_errors
    # To ask for this one connects within the time of the policy.
    if isinstance(channel := connection.default_channel, virtual.Channel):
        return depth_by(channel, queue, errors)
    # To ask for a queue that is not there closes a channel of AMQP.
    with connection.channel() as own:
        return depth_by(own, queue, errors)
