"""A worker says at its start what was asked for and its pool can not do. Named by the extension."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from celery import bootsteps

from .beside import count_workers
from .pools import LIMITS, module_name

_MOST_NAMES = 5
_said: set[str] = set()

logger = logging.getLogger(__name__)


class Abilities(bootsteps.StartStopStep):
    """Warns once; what can not be kept is not a reason not to work."""

    requires = ("celery.worker.components:Pool",)
    label = "Abilities"

    def start(self, worker: Any) -> None:
        """Say it, a line for each."""
        for remark in remarks(worker):
            logger.warning(remark)


def remarks(worker: Any) -> Iterator[str]:
    """Say what *worker* will not do though configuration or tasks ask for it."""
    pool = module_name(worker.pool)
    tasks = [task for name, task in sorted(worker.app.tasks.items()) if name[:7] != "celery."]
    if pool in LIMITS:
        yield from _time_limits(worker, pool, tasks)
        if pool != "prefork":
            yield from _children(worker, pool)
    yield from _rate_limits(worker, tasks)


def say_once_that_limits_are_not_kept(name: str, limits: Sequence[float | None]) -> None:
    """Say that a call of the task *name* asked for time limits which its pool does not keep."""
    if name not in _said:
        _said.add(name)
        asked = ", ".join(f"{limit:g} s" for limit in limits if limit)
        logger.warning("This pool does not keep the time limits of a call of %s: %s.", name, asked)


def _time_limits(worker: Any, pool: str, tasks: list[Any]) -> Iterator[str]:
    for kind, name in (("hard", "time_limit"), ("soft", "soft_time_limit")):
        if kind in LIMITS[pool]:
            continue
        common_s = getattr(worker, name)
        askers = [f"task_{name} = {common_s:g}"] if common_s else []
        if own := [task for task in tasks if getattr(task, name) not in (None, 0, common_s)]:
            askers.append(_names(own, name, "{:g} s"))
        if askers:
            rest = " gevent keeps hard ones." if kind == "hard" else ""
            yield (
                f"The pool {pool} keeps no {kind} time limits, which are asked for by "
                f"{' and '.join(askers)}. The pool prefork keeps them.{rest}"
            )


def _children(worker: Any, pool: str) -> Iterator[str]:
    """What only a pool has that replaces its processes."""
    for name in ("max_tasks_per_child", "max_memory_per_child"):
        if value := getattr(worker, name):
            yield (
                f"The pool {pool} has no processes to replace: worker_{name} = {value} does "
                "nothing. The pool prefork heeds it."
            )


def _rate_limits(worker: Any, tasks: list[Any]) -> Iterator[str]:
    count = count_workers()
    limited = [task for task in tasks if task.rate_limit]
    if count > 1 and limited and not worker.app.conf.worker_disable_rate_limits:
        yield (
            f"Rate limits count for each of the {count} workers, together {count} times as much: "
            f"{_names(limited, 'rate_limit', '{}')}."
        )


def _names(tasks: list[Any], attribute: str, form: str) -> str:
    """Return the names of *tasks*, each with the value of *attribute*."""
    shown = tasks[:_MOST_NAMES]
    said = ", ".join(f"{task.name} ({form.format(getattr(task, attribute))})" for task in shown)
    left = len(tasks) - _MOST_NAMES
    return f"{said} and {left} more" if left > 0 else said
