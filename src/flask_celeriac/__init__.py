"""Flask and Celery, joined at the root.

Names are loaded when first used, so that small tools of the package (the health
probe) start without importing Flask and Celery.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .declare.result import AsyncResult, AsyncResults
    from .declare.task import Task
    from .errors import CeleriacError
    from .extension import Celeriac

__all__ = ["AsyncResult", "AsyncResults", "Celeriac", "CeleriacError", "Task"]

_HOMES = {
    "AsyncResult": ".declare.result",
    "AsyncResults": ".declare.result",
    "Celeriac": ".extension",
    "CeleriacError": ".errors",
    "Task": ".declare.task",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
