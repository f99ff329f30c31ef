"""Puts our pools in the place of Celery's own. `transport.attach` names the bootstep."""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from celery.utils.imports import symbol_by_name

_OURS = {
    "celery.concurrency.prefork:TaskPool": "flask_celeriac.execute.prefork:TaskPool",
    "celery.concurrency.thread:TaskPool": "flask_celeriac.execute.threads:TaskPool",
}


class OwnPools(bootsteps.Step):
    """Acts when all bootsteps are made, and none has made the pool."""

    label = "OwnPools"

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        kind = worker.pool_cls
        ours = _OURS.get(f"{kind.__module__}:{kind.__qualname__}")
        if ours is not None:
            worker.pool_cls = symbol_by_name(ours)
