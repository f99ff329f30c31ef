"""Whether the result of a task may wait for the end of its claim, to be stored in one step with it.

That spares a round trip, and makes one event of two: a task whose result is there does not run
again. It must not be seen from outside, so whoever is called between the two keeps them apart.
"""

from __future__ import annotations

from typing import Any

from celery import Task, signals

from flask_celeriac.transport.redis.claimant import Claimant
from flask_celeriac.transport.redis.claimants import claimant_named
from flask_celeriac.transport.redis.keys import claim_of

_OURS = "flask_celeriac."


def may_wait(app: Any, request: Any) -> bool:
    """Tell whether the result of a running task may wait for the end of its claim.

    Args:
        app: Celery's, of the task.
        request: Of the task, as it is given to a result backend.

    Returns:
        False where the result must be stored now: it counts for a chord, nobody wants it, the task
        was acknowledged when it started, or somebody may look for the result when he is told of
        its end.
    """
    if request is None or request.chord or request.called_directly or request.ignore_result:
        return False
    task = app.tasks.get(request.task)
    return task is not None and bool(task.acks_late) and not _is_somebody_told(type(task))


def holder_of(request: Any) -> tuple[Claimant, int] | None:
    """Return who ends the claim of a running task as soon as it has succeeded, and its number.

    None where the task runs in another process than its worker.
    """
    holder = _claimant_of(request)
    return holder if holder is not None and holder[0].is_lasting else None


def take_back(request: Any) -> None:
    """Forget the outcome that waits for the end of the claim: the task ended otherwise."""
    holder = _claimant_of(request) if request is not None else None
    if holder is not None:
        holder[0].take_back(holder[1])


def _claimant_of(request: Any) -> tuple[Claimant, int] | None:
    claim = claim_of((request.properties or {}).get("delivery_tag"))
    claimant = claim and claimant_named(claim[0])
    return (claimant, claim[1]) if claim and claimant else None


def _is_somebody_told(kind: type[Any]) -> bool:
    if kind.on_success is not Task.on_success or kind.after_return is not Task.after_return:
        return True
    return bool(signals.task_success.receivers) or any(
        not str(identity[0]).startswith(_OURS) for identity, *_ in signals.task_postrun.receivers
    )
