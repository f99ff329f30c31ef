"""The result of a task on its way from a process of a pool to the worker, which ends the claim.

The worker stores it with that end, for many tasks in one round trip; a process of the pool would
need one for each. A large result does not cross: it would hold up what else goes through the pipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_MOST_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class Crossed:
    """What a run in a process of the pool brings back.

    Attributes:
        told: What Celery tells of the result: its text, for logs and events.
        value: The encoded meta, to be stored.
    """

    told: Any
    value: str | bytes


class _Run:
    """The one run that this process is busy with."""

    task_id: str | None = None
    value: str | bytes | None = None


def run(trace: Callable[..., Any], name: str, task_id: str, *args: Any, **options: Any) -> Any:
    """Run a task in a process of the pool.

    Args:
        trace: Celery's own function for that; it is given all the rest.
        name: Of the task.
        task_id: Of the run.

    Returns:
        What *trace* returns, with a `Crossed` in the place of the text where the worker is to
        store the result.
    """
    _Run.task_id, _Run.value = task_id, None
    try:
        failed, told, runtime = trace(name, task_id, *args, **options)
        value = _Run.value
    finally:
        _Run.task_id = _Run.value = None
    return failed, told if failed or value is None else Crossed(told, value), runtime


def is_awaited(task_id: str) -> bool:
    """Tell whether the worker would store the result of the run with *task_id*."""
    return _Run.task_id == task_id


def keep(value: str | bytes) -> bool:
    """Keep an encoded meta for the worker; False where it is too large, and not kept."""
    if len(value) > _MOST_CHARACTERS:
        return False
    _Run.value = value
    return True
