"""The safe profile: each default, and the reason why it is one.

Senders (web, shell) and workers need opposite times. A request must not wait for a broker that is
gone, so a sender gives up within `SEND_WITHIN_S`. A worker that gives up early loses results and
runs tasks twice, so it waits longer and reconnects for ever. Celery has one set of names for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .deliveries import carried_by_celery, carried_by_us
from .model import Default, Process
from .urls import Family

SEND_WITHIN_S = 2.0
# A publish that is repeated once opens up to three sockets one after the other: the broken one, the
# new one, and its repetition. So each may take a third. Subscribing to a result opens two.
_BROKER_TRY_S = round(SEND_WITHIN_S / 3, 2)
_BACKEND_TRY_S = SEND_WITHIN_S / 2
# A try each second.
_WORKER_STORES_FOR_S = 600
# Longer, since a confirmation from a quorum queue under load takes its time: a broken connection to
# RabbitMQ costs a request three of these, every later one a single one.
_RABBITMQ_TRY_S = 1.0
# Longer than a stall of Redis while it forks or fails over, shorter than the 30 s after which the
# health probe calls a worker dead.
_WORKER_SOCKET_S = 10.0
_WORKER_CONNECT_S = 2.0
_HOUR_S = 3600
# A task (or a delay) longer than the visibility timeout runs twice; tasks of a dead machine wait as
# long. Without a limit that says how long a task can be, twelve hours cover a night's work.
_VISIBILITY_WITHOUT_LIMIT_S = 12 * _HOUR_S
_VISIBILITY_SLACK_S = 300
_VISIBILITY_OF_STOCK_WORKERS = (
    "Only workers on Celery's own transport are meant: what one of them took and did not"
    " acknowledge is given to another worker after this. Our own leases are renewed."
)


def safe_defaults(
    values: Mapping[str, Any], *, broker: Family, backend: Family, is_ours: bool, is_up: bool
) -> tuple[Default, ...]:
    """Give every default that fits this broker and backend.

    Args:
        values: The user's settings by new name: some defaults follow from them.
        broker: Kind of the message broker.
        backend: Kind of the result backend.
        is_ours: Redis is reached by our transport, not by Celery's.
        is_up: Started by `flask celery up`.

    Returns:
        In the order in which people should read them; a key may come twice, once for senders and
        once for workers.
    """
    is_carried = is_ours and broker == "redis"
    return (
        *_execution(values),
        *(
            carried_by_us(values, is_up=is_up)
            if is_carried
            else carried_by_celery(broker, is_up=is_up)
        ),
        *_connection(broker),
        *(_redis_broker(values, is_carried=is_carried) if broker == "redis" else ()),
        *(_rabbitmq(values) if broker == "rabbitmq" else ()),
        *(_redis_backend() if backend == "redis" else ()),
    )


def _execution(values: Mapping[str, Any]) -> Iterator[Default]:
    """How workers keep tasks, and what they read."""
    yield Default(
        "task_acks_late",
        True,
        "A task is acknowledged after it ran, so that a killed worker does not lose it.",
    )
    yield Default(
        "worker_prefetch_multiplier",
        1,
        "A worker reserves one task for each slot, so that a killed one holds few.",
    )
    yield Default(
        "accept_content",
        ["json"],
        "Pickle and YAML let anyone who can write to the broker execute code.",
    )
    yield Default(
        "result_accept_content",
        list(values.get("accept_content") or ["json"]),
        "Results are read like tasks: never pickle or YAML.",
    )


def _connection(broker: Family) -> Iterator[Default]:
    """Senders give up soon, workers never."""
    yield Default(
        "broker_connection_retry_on_startup",
        True,
        "A worker that starts before its broker waits for it.",
    )
    yield Default(
        "broker_connection_max_retries",
        None,
        "Unlimited: Celery's 100 attempts let a worker give up for good in a long outage.",
    )
    yield Default(
        "task_publish_retry_policy",
        {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
        f"Sending is repeated once, so that a request fails within about {SEND_WITHIN_S:g} s.",
        "sender",
    )
    yield Default(
        "broker_pool_acquire_timeout",
        SEND_WITHIN_S,
        "A thread waits this long for one of the pooled connections when all are busy; Celery"
        " waits for ever.",
        "sender",
    )
    if broker != "redis":
        yield Default(
            "broker_connection_timeout",
            _RABBITMQ_TRY_S,
            "A request does not wait for a broker that does not answer.",
            "sender",
        )


def _redis_broker(values: Mapping[str, Any], *, is_carried: bool) -> Iterator[Default]:
    """Options of kombu's Redis transport; ours is made from it and reads them too."""
    options = "broker_transport_options"
    yield Default(
        f"{options}.visibility_timeout",
        _visibility_timeout(values),
        _VISIBILITY_OF_STOCK_WORKERS if is_carried else _visibility_reason(values),
    )
    for process, timeout_s, connect_s in (
        ("sender", _BROKER_TRY_S, _BROKER_TRY_S),
        ("worker", _WORKER_SOCKET_S, _WORKER_CONNECT_S),
    ):
        who: Process = "sender" if process == "sender" else "worker"
        yield Default(
            f"{options}.socket_timeout",
            timeout_s,
            "kombu waits for ever on a dead connection; three tries of a request end within"
            f" {SEND_WITHIN_S:g} s."
            if who == "sender"
            else "kombu waits for ever on a dead connection; a worker bears a stall this long.",
            who,
        )
        yield Default(
            f"{options}.socket_connect_timeout",
            connect_s,
            "A server that can not be reached is given up soon.",
            who,
        )
    yield Default(
        f"{options}.health_check_interval",
        10,
        "A half-open connection is found after about 20 s instead of 50.",
    )
    yield Default(
        f"{options}.queue_order_strategy",
        "priority",
        "Queues are served in the order given, so that priorities hold; kombu takes turns.",
    )


def _visibility_timeout(values: Mapping[str, Any]) -> int:
    """Seconds after which Redis gives a task to another worker: above the longest run."""
    limit = values.get("task_time_limit")
    if limit is None:
        return _VISIBILITY_WITHOUT_LIMIT_S
    return max(_HOUR_S, int(limit) + _VISIBILITY_SLACK_S)


def _visibility_reason(values: Mapping[str, Any]) -> str:
    """Say what the visibility timeout follows from."""
    both = "A task or delay longer than this runs twice; tasks of a dead machine wait as long."
    if values.get("task_time_limit") is None:
        return f"{both} Set task_time_limit to shorten it."
    return f"{both} It follows from task_time_limit, and is at least an hour."


def _rabbitmq(values: Mapping[str, Any]) -> Iterator[Default]:
    """Queues that survive a node and a publish that is known to have arrived."""
    yield Default(
        "broker_transport_options.confirm_publish",
        True,
        "Without a confirmation a message is lost when RabbitMQ dies or refuses it.",
    )
    yield Default(
        "broker_transport_options.read_timeout",
        _RABBITMQ_TRY_S,
        "A request does not wait for ever for a confirmation.",
        "sender",
    )
    # Quorum queues know no x-max-priority.
    if values.get("task_queue_max_priority") is not None:
        return
    survives = "Quorum queues survive the loss of a node; one that exists as classic must be"
    survives += ' deleted first, or set this to "classic".'
    delays = "With quorum queues delayed tasks wait in RabbitMQ only behind topic exchanges."
    yield Default("task_default_queue_type", "quorum", survives)
    yield Default("task_default_exchange_type", "topic", delays)
    yield Default("task_create_missing_queue_type", "quorum", survives)
    yield Default("task_create_missing_queue_exchange_type", "topic", delays)


def _redis_backend() -> Iterator[Default]:
    """Times of the connections that keep and await results."""
    yield Default(
        "redis_socket_timeout",
        _BACKEND_TRY_S,
        "`delay()` subscribes to the result: it must not wait Celery's 120 s.",
        "sender",
    )
    yield Default(
        "redis_socket_timeout",
        _WORKER_SOCKET_S,
        "A worker bears a short stall of Redis before it stores a result again.",
        "worker",
    )
    yield Default(
        "redis_socket_connect_timeout",
        _BACKEND_TRY_S,
        "A result server that can not be reached is given up soon.",
        "sender",
    )
    yield Default(
        "redis_socket_connect_timeout",
        _WORKER_CONNECT_S,
        "A result server that can not be reached is tried again soon.",
        "worker",
    )
    yield Default(
        "result_backend_transport_options.retry_policy",
        {"max_retries": 0, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2},
        "Celery tries 20 times and lets `delay()` wait 19 s when Redis is down.",
        "sender",
    )
    yield Default(
        "result_backend_transport_options.retry_policy",
        {
            "max_retries": _WORKER_STORES_FOR_S,
            "interval_start": 0,
            "interval_step": 1,
            "interval_max": 1,
        },
        "Celery gives up after 19 s and calls a task that succeeded a failure; a failover by"
        " Sentinel takes longer with its defaults.",
        "worker",
    )
