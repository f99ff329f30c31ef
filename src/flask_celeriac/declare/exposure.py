"""Which tasks an application lets in by HTTP, and with which options."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from typing import Any, TypeVar

T = TypeVar("T")

_HIGHEST_PRIORITY = 255


@dataclass(frozen=True, slots=True)
class Exposure:
    """What may be asked for with a task.

    Attributes:
        longest_countdown_s: 0: no countdown.
        priorities: Those that may be chosen.
        queues: The same.
        terminate_after_s: Seconds after which a task that was cancelled and goes on is ended where
            the pool can; None: never.
    """

    longest_countdown_s: float = 0.0
    priorities: tuple[int, ...] = ()
    queues: tuple[str, ...] = ()
    terminate_after_s: float | None = None


def exposure(
    *,
    countdown: float = 0.0,
    priority: Iterable[int] = (),
    queue: Iterable[str] = (),
    terminate_after_s: float | None = None,
) -> Exposure:
    """Check what `Celeriac.expose` was given.

    Raises:
        ValueError: Something is out of its range; names it.
    """
    if not countdown >= 0:
        raise ValueError(f"expose(countdown={countdown!r}): give seconds, 0 or more.")
    if terminate_after_s is not None and not terminate_after_s >= 0:
        raise ValueError(
            f"expose(terminate_after_s={terminate_after_s!r}): give seconds, 0 or more."
        )
    priorities, queues = tuple(priority), (queue,) if isinstance(queue, str) else tuple(queue)
    if not all(type(each) is int and 0 <= each <= _HIGHEST_PRIORITY for each in priorities):
        raise ValueError(f"expose(priority={priorities!r}): give whole numbers from 0 to 255.")
    if not all(isinstance(each, str) and each for each in queues):
        raise ValueError(f"expose(queue={queues!r}): give names of queues.")
    return Exposure(float(countdown), priorities, queues, terminate_after_s)


def _require_names(task: Any, name: str) -> None:
    """Make sure that all can be named in a request: the task in a path, its arguments in JSON.

    Raises:
        ValueError, TypeError: The task or an argument can not.
    """
    if "/" in name:
        raise ValueError(f"The task {name!r} can not be exposed: its name has a slash in it.")
    function = getattr(task, "__wrapped__", None) or task.run
    parameters = signature(function).parameters.values()
    if unnamed := [each.name for each in parameters if each.kind is each.POSITIONAL_ONLY]:
        raise TypeError(
            f"The task {name!r} can not be exposed: {unnamed[0]!r} is positional-only, and a "
            "request gives arguments by name."
        )


class Exposures(dict[str, Exposure]):
    """What is exposed, by the name of the task."""

    def decorator(self, exposure: Exposure) -> Callable[[T], T]:
        """Return a decorator that exposes a task, whoever made it."""

        def expose(task: T) -> T:
            name: Any = getattr(task, "name", None)
            if not isinstance(name, str):
                raise TypeError(
                    f"{task!r} is no task: put @celeriac.expose(...) above @celeriac.task."
                )
            _require_names(task, name)
            self[name] = exposure
            return task

        return expose
