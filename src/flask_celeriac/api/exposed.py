"""The tasks that an application exposes, as its Celery app knows them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask_celeriac.access import Action, Ask
from flask_celeriac.declare.exposure import Exposure

from .lookup import app_state, may_do
from .problem import Problem, not_found


@dataclass(frozen=True, slots=True)
class Exposed:
    """An exposed task.

    Attributes:
        task: One of Celery's.
    """

    name: str
    task: Any
    exposure: Exposure

    @property
    def summary(self) -> str:
        """The first line that its function says of itself; may be empty."""
        return inspect.cleandoc(self.task.__doc__ or "").partition("\n")[0]


def exposed_task(name: str, action: Action) -> Exposed:
    """Return the exposed task *name*, which the request may *action*.

    Raises:
        Problem: 404: there is none, exposed or not. 403: the access rule says no.
    """
    found = _exposed(name)
    if found is None:
        raise not_found()
    require(Ask(name, action))
    return found


def require(ask: Ask) -> None:
    """Let pass what the request may do.

    Raises:
        Problem: 403.
    """
    if not may_do(ask):
        raise Problem(403, "The access rule of this application does not allow it.")


def listed_tasks() -> list[Exposed]:
    """Return the exposed tasks that the request may list, by name.

    Raises:
        Problem: 403: there is none.
    """
    found = list(_listed())
    if not found:
        require(Ask(None, "list"))
    return found


def _listed() -> Iterator[Exposed]:
    for name in sorted(app_state().exposures):
        found = _exposed(name)
        if found is not None and may_do(Ask(name, "list")):
            yield found


def _exposed(name: str) -> Exposed | None:
    state = app_state()
    exposure, task = state.exposures.get(name), state.celery.tasks.get(name)
    # Several apps may share what one `Celeriac` object exposes, and not its tasks.
    return None if exposure is None or task is None else Exposed(name, task, exposure)
