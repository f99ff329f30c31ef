"""The part of the safe profile that depends on who carries messages: Celery, or our transport."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .model import Default
from .urls import Family

# Long beside a round trip to Redis, short for who waits behind it.
_WORK_IN_HAND_S = 0.1
#: Bytes. The arguments of a request with the largest body fit in; results are passed on by workers.
_MOST_SENT, _MOST_PASSED_ON = 512 * 1024, 16 * 1024 * 1024


def carried_by_celery(broker: Family, *, is_up: bool) -> Iterator[Default]:
    """What becomes of tasks whose worker or connection is lost, on Celery's own transports."""
    yield Default(
        "worker_soft_shutdown_timeout",
        _soft_shutdown_s(is_up=is_up),
        "On SIGQUIT running tasks get this many seconds to end; then they are given back. On"
        " SIGTERM Celery waits for them without an end.",
    )
    yield Default(
        "task_retry_on_worker_lost",
        True,
        "A task whose pool process died is sent again, at most max_retries times (3) and"
        " default_retry_delay later (180 s): Celery takes both from the task, no setting shortens"
        " the delay.",
    )
    yield Default(
        "worker_cancel_long_running_tasks_on_connection_loss",
        broker == "redis",
        "On Redis a lost connection gives running tasks back, so the running copy is ended."
        if broker == "redis"
        else "Only on Redis a running copy is ended when the connection is lost.",
    )
    yield Default(
        "worker_eta_task_limit",
        1000,
        "Delayed tasks wait in a worker's memory: more than these stay in the broker.",
    )


def carried_by_us(values: Mapping[str, Any], *, is_up: bool) -> Iterator[Default]:
    """The same on our transport, which counts attempts and keeps delays in Redis."""
    if "worker_prefetch_multiplier" not in values:
        yield Default(
            "broker_transport_options.work_in_hand_s",
            _WORK_IN_HAND_S,
            "Short tasks do not wait for a round trip each; long ones wait for a free worker.",
        )
    yield Default(
        "broker_transport_options.max_message_bytes",
        _MOST_SENT,
        "Redis keeps messages in memory: large data belongs elsewhere, and its place in a message.",
        "sender",
    )
    yield Default(
        "broker_transport_options.max_message_bytes",
        _MOST_PASSED_ON,
        "Workers pass results on, in chains and chords.",
        "worker",
    )
    yield Default(
        "worker_soft_shutdown_timeout",
        _soft_shutdown_s(is_up=is_up),
        "On SIGTERM running tasks get this many seconds to end; then they are given back.",
    )
    yield Default(
        "task_reject_on_worker_lost",
        True,
        "A task whose pool process died goes back to Redis, which counts: the third time it becomes"
        " a dead letter.",
    )
    yield Default(
        "worker_cancel_long_running_tasks_on_connection_loss",
        False,
        "A lost connection gives nothing back: running tasks go on and are acknowledged later.",
    )
    yield Default(
        "task_publish_retry_policy",
        {"max_retries": 30, "interval_start": 0, "interval_step": 0.2, "interval_max": 1.0},
        "A task whose retry can not be sent fails: a worker tries for half a minute, as long as a"
        " restart of Redis may take. What arrived is not doubled.",
        "worker",
    )


def _soft_shutdown_s(*, is_up: bool) -> float:
    """Seconds; Celery's prefork needs 1.7 s more to end, and `up` stops everything within ten."""
    return 6.0 if is_up else 20.0
