"""Celery's pool of processes, but the worker stores the results: many in one round trip.

`Pools` puts it in the place of Celery's own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.concurrency import prefork

from flask_celeriac.record import crossing

from .request import Request

_Celerys: Any = prefork.TaskPool


class TaskPool(_Celerys):  # type: ignore[misc]
    """As Celery's."""

    def apply_async(self, target: Any, args: Any = None, kwargs: Any = None, **options: Any) -> Any:
        """As in Celery; the result comes back where it can be stored here."""
        callback = options.get("callback")
        request = getattr(callback, "__self__", None)
        if isinstance(request, Request) and request.can_bring:
            options["callback"] = partial(_bring, request, callback)
            target, args = crossing.run, (target, *args)
        return super().apply_async(target, args, kwargs, **options)


def _bring(request: Request, callback: Any, result: Any, **options: Any) -> Any:
    failed, told, runtime = result
    if isinstance(told, crossing.Crossed):
        request.bring(told.value)
        told = told.told
    return callback((failed, told, runtime), **options)
